// README.md of this folder, in Rust with the standard library; HTTP by the imports of wasi:http.
use std::alloc::{alloc, realloc, Layout};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a function of the host leaves what does not fit one core value.
#[repr(C, align(8))]
struct Area([u8; 80]);

impl Area {
    fn new() -> Area {
        Area([0; 80])
    }
    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }
}

#[link(wasm_import_module = "wasi:http/types@0.2.12")]
extern "C" {
    #[link_name = "[constructor]fields"]
    fn fields_new() -> u32;
    #[link_name = "[method]fields.append"]
    fn fields_append(fields: u32, name: *const u8, name_size: usize, value: *const u8, value_size: usize, result: *mut Area);
    #[link_name = "[constructor]outgoing-request"]
    fn request_new(headers: u32) -> u32;
    #[link_name = "[method]outgoing-request.set-method"]
    fn request_set_method(request: u32, method: u32, other: *const u8, other_size: usize) -> u32;
    #[link_name = "[method]outgoing-request.set-path-with-query"]
    fn request_set_path(request: u32, some: u32, path: *const u8, size: usize) -> u32;
    #[link_name = "[method]outgoing-request.set-scheme"]
    fn request_set_scheme(request: u32, some: u32, scheme: u32, other: *const u8, other_size: usize) -> u32;
    #[link_name = "[method]outgoing-request.set-authority"]
    fn request_set_authority(request: u32, some: u32, authority: *const u8, size: usize) -> u32;
    #[link_name = "[method]outgoing-request.body"]
    fn request_body(request: u32, result: *mut Area);
    #[link_name = "[method]outgoing-body.write"]
    fn outgoing_body_write(body: u32, result: *mut Area);
    #[link_name = "[static]outgoing-body.finish"]
    fn outgoing_body_finish(body: u32, some: u32, trailers: u32, result: *mut Area);
    #[link_name = "[method]future-incoming-response.subscribe"]
    fn future_subscribe(future: u32) -> u32;
    #[link_name = "[method]future-incoming-response.get"]
    fn future_get(future: u32, result: *mut Area);
    #[link_name = "[resource-drop]future-incoming-response"]
    fn future_drop(future: u32);
    #[link_name = "[method]incoming-response.status"]
    fn response_status(response: u32) -> u32;
    #[link_name = "[method]incoming-response.consume"]
    fn response_consume(response: u32, result: *mut Area);
    #[link_name = "[resource-drop]incoming-response"]
    fn response_drop(response: u32);
    #[link_name = "[method]incoming-body.stream"]
    fn incoming_body_stream(body: u32, result: *mut Area);
    #[link_name = "[resource-drop]incoming-body"]
    fn incoming_body_drop(body: u32);
}

#[link(wasm_import_module = "wasi:http/outgoing-handler@0.2.12")]
extern "C" {
    fn handle(request: u32, some: u32, options: u32, result: *mut Area);
}

#[link(wasm_import_module = "wasi:io/poll@0.2.12")]
extern "C" {
    #[link_name = "[method]pollable.block"]
    fn pollable_block(pollable: u32);
    #[link_name = "[resource-drop]pollable"]
    fn pollable_drop(pollable: u32);
}

#[link(wasm_import_module = "wasi:io/streams@0.2.12")]
extern "C" {
    #[link_name = "[method]input-stream.blocking-read"]
    fn blocking_read(stream: u32, size: u64, result: *mut Area);
    #[link_name = "[resource-drop]input-stream"]
    fn input_drop(stream: u32);
    #[link_name = "[method]output-stream.blocking-write-and-flush"]
    fn blocking_write(stream: u32, bytes: *const u8, size: usize, result: *mut Area);
    #[link_name = "[resource-drop]output-stream"]
    fn output_drop(stream: u32);
}

#[link(wasm_import_module = "wasi:io/error@0.2.12")]
extern "C" {
    #[link_name = "[resource-drop]error"]
    fn error_drop(error: u32);
}

extern "C" {
    fn __wasm_call_ctors();
}

#[export_name = "cabi_realloc"]
pub unsafe extern "C" fn reallocate(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        return align as *mut u8;
    }
    if old_size == 0 {
        return alloc(Layout::from_size_align_unchecked(size, align));
    }
    realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
}

const GET: u32 = 0;
const POST: u32 = 2;

unsafe fn make_request(method: u32, authority: &str, path: &str, id: Option<&str>) -> u32 {
    let (headers, mut result) = (fields_new(), Area::new());
    if let Some(id) = id {
        fields_append(headers, "x-request-id".as_ptr(), 12, id.as_ptr(), id.len(), &mut result);
    }
    let request = request_new(headers);
    request_set_method(request, method, std::ptr::null(), 0);
    request_set_scheme(request, 1, 0, std::ptr::null(), 0);
    request_set_authority(request, 1, authority.as_ptr(), authority.len());
    request_set_path(request, 1, path.as_ptr(), path.len());
    request
}

unsafe fn send_body(body: u32, bytes: &[u8]) -> bool {
    let mut result = Area::new();
    outgoing_body_write(body, &mut result);
    let stream = result.word(4);
    for piece in bytes.chunks(4096) {
        blocking_write(stream, piece.as_ptr(), piece.len(), &mut result);
        if result.0[0] != 0 {
            break;
        }
    }
    let sent = result.0[0] == 0;
    output_drop(stream);
    outgoing_body_finish(body, 0, 0, &mut result);
    sent && result.0[0] == 0
}

unsafe fn read_body(response: u32) -> Result<Vec<u8>, String> {
    let (mut bytes, mut result) = (Vec::new(), Area::new());
    response_consume(response, &mut result);
    let body = result.word(4);
    incoming_body_stream(body, &mut result);
    let stream = result.word(4);
    loop {
        blocking_read(stream, 65536, &mut result);
        if result.0[0] != 0 {
            break;
        }
        let size = result.word(8) as usize;
        if size > 0 {
            bytes.append(&mut Vec::from_raw_parts(result.word(4) as *mut u8, size, size));
        }
    }
    let closed = result.0[4] == 1;
    if !closed {
        error_drop(result.word(8));
    }
    input_drop(stream);
    incoming_body_drop(body);
    if closed { Ok(bytes) } else { Err("body".to_string()) }
}

/// Status and body of the answer.
fn fetch(method: u32, authority: &str, path: &str, id: Option<&str>, body: Option<&[u8]>) -> Result<(u32, Vec<u8>), String> {
    unsafe {
        let mut result = Area::new();
        let request = make_request(method, authority, path, id);
        let sink = body.map(|_| {
            request_body(request, &mut result);
            result.word(4)
        });
        handle(request, 0, 0, &mut result);
        if result.0[0] != 0 {
            return Err(format!("code {}", result.0[8]));
        }
        let future = result.word(8);
        let sent = match (sink, body) {
            (Some(sink), Some(body)) => send_body(sink, body),
            _ => true,
        };
        let pollable = future_subscribe(future);
        pollable_block(pollable);
        pollable_drop(pollable);
        future_get(future, &mut result);
        future_drop(future);
        if result.0[16] != 0 {
            return Err(format!("code {}", result.0[24]));
        }
        let response = result.word(24);
        let status = response_status(response);
        let bytes = read_body(response);
        response_drop(response);
        if sent { bytes.map(|bytes| (status, bytes)) } else { Err("not sent".to_string()) }
    }
}

fn digest(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)))
}

fn say(line: String) {
    let mut out = std::io::stdout();
    out.write_all(format!("{}\n", line).as_bytes()).and_then(|_| out.flush()).expect("standard output");
}

fn append(path: &str, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).and_then(|mut file| file.write_all(text.as_bytes())).expect(path);
}

fn do_clocks() {
    let (before, wall, after) = (Instant::now(), SystemTime::now(), Instant::now());
    let later = wall.duration_since(UNIX_EPOCH).map(|time| time.as_secs() > 1704067200).unwrap_or(false);
    say(format!("clock {}", if after >= before && later { "steady" } else { "odd" }));
}

fn do_files() {
    fs::create_dir("/errand").expect("/errand");
    File::create("/errand/a.txt").and_then(|mut file| file.write_all(b"one")).expect("a.txt");
    fs::write("/errand/b.txt", "b").expect("b.txt");
    append("/errand/a.txt", "two");
    fs::rename("/errand/b.txt", "/errand/c.txt").expect("c.txt");
    let mut names: Vec<String> =
        fs::read_dir("/errand").expect("/errand").map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    say(format!("files {}", names.join(" ")));
    say(format!("contents {}", fs::read_to_string("/errand/a.txt").expect("a.txt")));
    let right = fs::metadata("/errand/a.txt").expect("a.txt").len() == 6 && fs::metadata("/errand/b.txt").is_err();
    say(format!("size {}", if right { "6" } else { "odd" }));
}

/// The number behind "name": in JSON.
fn number_of<'a>(json: &'a str, name: &str) -> &'a str {
    let rest = json.split(&format!("\"{}\":", name)).nth(1).unwrap_or("0");
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("0")
}

fn do_round(authority: &str, round: u32) {
    std::thread::sleep(Duration::from_millis(5));
    let body: Vec<u8> = (0..1000).map(|i| (i % 251) as u8).collect();
    match fetch(POST, authority, "/echo", Some(&round.to_string()), Some(&body)) {
        Err(error) => say(format!("round {} error {}", round, error)),
        Ok((_, answer)) => {
            let json = String::from_utf8_lossy(&answer);
            let line = format!("{} {}", number_of(&json, "size"), number_of(&json, "digest"));
            append("/errand/log", &format!("{}\n", line));
            say(format!("round {} {}", round, line));
        }
    }
}

fn do_other_requests(authority: &str) {
    match fetch(GET, authority, "/bytes/1000000", None, None) {
        Ok((_, bytes)) => say(format!("large {} {}", bytes.len(), digest(&bytes))),
        Err(error) => say(format!("large error {}", error)),
    }
    say(format!("missing {}", fetch(GET, authority, "/nothing", None, None).map(|(status, _)| status).unwrap_or(0)));
    say(format!("refused{}", if fetch(GET, "localhost:9", "/", None, None).is_err() { "" } else { " odd" }));
}

fn main() {
    // wasm-ld calls them in every export of a command, also in cabi_realloc, where no host function may be called, unless the program does.
    unsafe { __wasm_call_ctors() };
    let words: Vec<String> = std::env::args().collect();
    if words.len() != 3 {
        eprintln!("usage: errand AUTHORITY ROUNDS");
        std::process::exit(2);
    }
    say(format!("greeting {}", std::env::var("GREETING").unwrap_or_default()));
    do_clocks();
    do_files();
    let rounds: u32 = words[2].parse().expect("ROUNDS");
    for round in 0..rounds {
        do_round(&words[1], round);
    }
    do_other_requests(&words[1]);
    let log = if rounds > 0 { fs::read("/errand/log").expect("log") } else { Vec::new() };
    say(format!("log {} {}", log.len(), digest(&log)));
}

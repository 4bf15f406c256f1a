// tally.wit in Rust, with the standard library for the clock and printing, and the canonical ABI by hand: Debian's compiler comes
// without crates.
#![allow(clippy::missing_safety_doc)]

use std::alloc::{alloc, realloc, Layout};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

#[repr(C)]
pub struct Span<T> {
    start: *const T,
    count: usize,
}

#[repr(C)]
pub struct Item {
    name: Span<u8>,
    amount: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Progress {
    steps: u32,
    digest: u32,
    mixed: u32,
}

struct State {
    items: Vec<(String, i32)>,
    progress: Progress,
}

static mut STATE: State =
    State { items: Vec::new(), progress: Progress { steps: 0, digest: 1, mixed: 0 } };

// A component's guest has one thread.
fn state() -> &'static mut State {
    unsafe { &mut STATE }
}

extern "C" {
    fn __wasm_call_ctors();
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn random_get(buffer: *mut u8, size: usize) -> u32;
}

// Without it the linker has every export call the constructors, and libc's destructors after it.
#[export_name = "_initialize"]
pub unsafe extern "C" fn initialize() {
    __wasm_call_ctors();
}

#[export_name = "cabi_realloc"]
pub unsafe extern "C" fn reallocate(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        return align as *mut u8;
    }
    let block = match old_size {
        0 => alloc(Layout::from_size_align_unchecked(size, align)),
        _ => realloc(old, Layout::from_size_align_unchecked(old_size, align), size),
    };
    assert!(!block.is_null(), "out of memory");
    block
}

/// Strings and lists of arguments are the guest's own.
unsafe fn take<T>(start: *mut T, count: usize) -> Vec<T> {
    match count {
        0 => Vec::new(),
        _ => Vec::from_raw_parts(start, count, count),
    }
}

unsafe fn take_text(start: *mut u8, count: usize) -> String {
    String::from_utf8_unchecked(take(start, count))
}

/// What a result points to; the function behind cabi_post_ frees it.
fn give<T>(values: Vec<T>) -> *mut Span<T> {
    let values = Box::leak(values.into_boxed_slice());
    Box::into_raw(Box::new(Span { start: values.as_ptr(), count: values.len() }))
}

unsafe fn take_back<T>(area: *mut Span<T>) {
    let area = Box::from_raw(area);
    drop(Box::from_raw(std::slice::from_raw_parts_mut(area.start as *mut T, area.count)));
}

#[export_name = "demo:tally/api@1.0.0#add"]
pub unsafe extern "C" fn add(name: *mut u8, length: usize, amount: i32) -> i32 {
    let items = &mut state().items;
    items.push((take_text(name, length), amount));
    items.iter().map(|item| item.1).fold(0, i32::wrapping_add)
}

#[export_name = "demo:tally/api@1.0.0#items"]
pub extern "C" fn items() -> *mut Span<Item> {
    let item = |(name, amount): &(String, i32)| Item {
        name: Span { start: name.as_ptr(), count: name.len() },
        amount: *amount,
    };
    give(state().items.iter().map(item).collect())
}

#[export_name = "cabi_post_demo:tally/api@1.0.0#items"]
pub unsafe extern "C" fn items_done(area: *mut Span<Item>) {
    take_back(area);
}

#[export_name = "demo:tally/api@1.0.0#describe"]
pub unsafe extern "C" fn describe(title: *mut u8, length: usize) -> *mut Span<u8> {
    let parts: Vec<String> = state().items.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    give(format!("{}: {}", take_text(title, length), parts.join(", ")).into_bytes())
}

#[export_name = "cabi_post_demo:tally/api@1.0.0#describe"]
pub unsafe extern "C" fn describe_done(area: *mut Span<u8>) {
    take_back(area);
}

#[export_name = "demo:tally/api@1.0.0#turn"]
pub unsafe extern "C" fn turn(numbers: *mut u32, count: usize) -> *mut Span<u32> {
    give(take(numbers, count).iter().rev().map(|number| number.wrapping_mul(2)).collect())
}

#[export_name = "cabi_post_demo:tally/api@1.0.0#turn"]
pub unsafe extern "C" fn turn_done(area: *mut Span<u32>) {
    take_back(area);
}

fn mix(mixed: u32, value: u32) -> u32 {
    (mixed ^ value).wrapping_mul(0x9e37_79b1)
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    assert_eq!(unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) }, 0);
    u32::from_le_bytes(bytes)
}

#[export_name = "demo:tally/api@1.0.0#work"]
pub extern "C" fn work(steps: u32, rounds: u32) -> *const Progress {
    let progress = &mut state().progress;
    for _ in 0..steps {
        for _ in 0..rounds {
            progress.digest ^= progress.digest << 13;
            progress.digest ^= progress.digest >> 17;
            progress.digest ^= progress.digest << 5;
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u32);
        progress.mixed = mix(mix(progress.mixed, random()), time);
        progress.steps += 1;
    }
    progress
}

#[export_name = "demo:tally/api@1.0.0#say"]
pub unsafe extern "C" fn say(text: *mut u8, length: usize) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", take_text(text, length)).and_then(|()| out.flush()).expect("standard output");
}

// tally.wit in AssemblyScript. There are no bindings for it: the canonical ABI is spoken by hand. Strings are UTF-16, as
// AssemblyScript has them, so the component is made with that encoding. The runtime is `stub`: nothing is freed.

@external("wasi:random/random@0.2.0", "get-random-u64")
declare function getRandomU64(): u64;
@external("wasi:clocks/monotonic-clock@0.2.0", "now")
declare function now(): u64;
@external("wasi:cli/stdout@0.2.0", "get-stdout")
declare function getStdout(): i32;
@external("wasi:io/streams@0.2.0", "[method]output-stream.blocking-write-and-flush")
declare function blockingWriteAndFlush(stream: i32, data: usize, size: usize, result: usize): void;
@external("wasi:io/streams@0.2.0", "[resource-drop]output-stream")
declare function dropOutputStream(stream: i32): void;

class Item {
    constructor(public name: string, public amount: i32) {}
}

/** What a result that needs more than one core value is returned in: a string or a list, or the record of `work`. */
@unmanaged
class Area {
    a: usize;
    b: usize;
    c: usize;
}

const items = new Array<Item>();
let steps: u32 = 0;
let digest: u32 = 1;
let mixed: u32 = 0;

function area(a: usize, b: usize, c: usize): usize {
    const it = changetype<Area>(heap.alloc(offsetof<Area>()));
    it.a = a;
    it.b = b;
    it.c = c;
    return changetype<usize>(it);
}

function mix(value: u32): void {
    mixed = (mixed ^ value) * 0x9e3779b1;
}

function reallocate(old: usize, oldSize: usize, align: usize, size: usize): usize {
    if (size == 0) return align;
    const block = heap.alloc(size); // aligned to 16
    memory.copy(block, old, min(oldSize, size));
    return block;
}

function add(name: usize, length: usize, amount: i32): i32 {
    items.push(new Item(String.UTF16.decodeUnsafe(name, length << 1), amount));
    let sum = 0;
    for (let i = 0; i < items.length; i++) sum += items[i].amount;
    return sum;
}

function list(): usize {
    const size: usize = 12;
    const elements = heap.alloc(max(<usize>items.length * size, 1));
    for (let i = 0; i < items.length; i++) {
        const element = elements + <usize>i * size;
        store<usize>(element, changetype<usize>(items[i].name));
        store<i32>(element, items[i].name.length, 4);
        store<i32>(element, items[i].amount, 8);
    }
    return area(elements, items.length, 0);
}

function describe(title: usize, length: usize): usize {
    const parts = new Array<string>();
    for (let i = 0; i < items.length; i++) parts.push(`${items[i].name}=${items[i].amount}`);
    const text = `${String.UTF16.decodeUnsafe(title, length << 1)}: ${parts.join(", ")}`;
    return area(changetype<usize>(text), text.length, 0);
}

function turn(numbers: usize, count: usize): usize {
    const turned = heap.alloc(max(count << 2, 1));
    for (let i: usize = 0; i < count; i++) store<u32>(turned + (i << 2), load<u32>(numbers + ((count - 1 - i) << 2)) * 2);
    return area(turned, count, 0);
}

function work(count: u32, rounds: u32): usize {
    for (let i: u32 = 0; i < count; i++) {
        for (let round: u32 = 0; round < rounds; round++) {
            digest ^= digest << 13;
            digest ^= digest >> 17;
            digest ^= digest << 5;
        }
        mix(<u32>getRandomU64());
        mix(<u32>now());
        steps++;
    }
    return area(steps, digest, mixed);
}

function say(text: usize, length: usize): void {
    const bytes = String.UTF8.encode(String.UTF16.decodeUnsafe(text, length << 1) + "\n");
    const stream = getStdout();
    blockingWriteAndFlush(stream, changetype<usize>(bytes), bytes.byteLength, heap.alloc(12));
    dropOutputStream(stream);
}

// AssemblyScript cannot export a name that is no identifier: build.mjs makes "demo:tally/api@1.0.0#add" of api_add.
export {
    reallocate as cabi_realloc,
    add as api_add,
    list as api_items,
    describe as api_describe,
    turn as api_turn,
    work as api_work,
    say as api_say,
};

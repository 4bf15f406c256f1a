// Components, as text, that take and give values of random types. For each list of parameter types, three functions:
//
//   echo<n>(p0, p1, ...)                gives the parameters back: the only one, or a tuple of all
//   digest<n>(p0, p1, ...) -> u64       what digest() of image.mjs computes, from the values as they lie in the guest's memory
//   make<n>(image, relocations, root)   gives the value that Image of image.mjs laid out
//
// The component is a chain: the host calls the last of `encodings`, each one passes calls on to the one before it, the first does the
// work. Each has a memory and a string encoding of its own. realloc gives memory with the demanded alignment and no better, full
// of garbage, and post-return takes all of it back and overwrites what was in use. Only what is moved keeps an alignment of 2: the
// canonical ABI narrows a UTF-16 string to Latin-1 with a realloc of alignment 1, but what comes of it must have 2
// (store_probably_utf16_to_latin1_or_utf16, load_string_from_range).
import { DIGEST_PRIME, DIGEST_START, NAN_BITS } from './image.mjs';
import { casesOf, flatten, layout, partsOf } from './types.mjs';

const HEAP = 1025; // odd on purpose

// --- types ---

/** Names for the types that WIT names, and the text of any type. */
class TypeNames {
    constructor(named) {
        this.named = named;
    }
    ref(type) {
        const index = this.named.indexOf(type);
        return index >= 0 ? `$t${index}` : this.definition(type);
    }
    definition(type) {
        const or = (t, head) => (t ? ` ${head}${this.ref(t)}${head ? ')' : ''}` : '');
        switch (type.kind) {
        case 'list': case 'option': return `(${type.kind} ${this.ref(type.element)})`;
        case 'result': return `(result${or(type.ok, '')}${or(type.err, '(error ')})`;
        case 'tuple': return `(tuple ${type.items.map((item) => this.ref(item)).join(' ')})`;
        case 'record': return `(record ${type.fields.map((f) => `(field "${f.name}" ${this.ref(f.type)})`).join(' ')})`;
        case 'variant': return `(variant ${type.cases.map((c) => `(case "${c.name}"${or(c.type, '')})`).join(' ')})`;
        case 'enum': case 'flags': return `(${type.kind} ${type.names.map((name) => `"${name}"`).join(' ')})`;
        default: return type.kind;
        }
    }
    /** Definitions, each exported under its name at once; in an instance type or in a component. */
    declarations() {
        return this.named.map((type, i) => `(type $d${i} ${this.definition(type)}) (export $t${i} "t${i}" (type ${'$d'}${i}))`);
    }
    instanceDeclarations() {
        return this.named.map((type, i) => `(type $d${i} ${this.definition(type)}) (export "t${i}" (type $t${i} (eq $d${i})))`);
    }
}

const LIST_U64 = { kind: 'list', element: { kind: 'u64' } }, LIST_U32 = { kind: 'list', element: { kind: 'u32' } }, U32 = { kind: 'u32' };

/** All functions of an interface whose groups are lists of parameter types: [{ name, params, result, role, value }]. */
export function functionsOf(groups) {
    return groups.flatMap((types, i) => {
        const value = types.length === 1 ? types[0] : { kind: 'tuple', items: types };
        return [
            { name: `echo${i}`, role: 'echo', params: types, result: value, value },
            { name: `digest${i}`, role: 'digest', params: types, result: { kind: 'u64' }, value },
            { name: `make${i}`, role: 'make', params: [LIST_U64, LIST_U32, U32], result: value, value },
        ];
    });
}

const signature = (names, f) => `${f.params.map((type, i) => `(param "p${i}" ${names.ref(type)})`).join(' ')} (result ${names.ref(f.result)})`;

/** How a function looks as a core function: { params, spilled, result (a core type), returns (through memory) }. */
function coreShape(f) {
    const flat = f.params.flatMap(flatten), spilled = flat.length > 16, results = flatten(f.result), returns = results.length > 1;
    return { params: spilled ? ['i32'] : flat, spilled, result: returns ? 'i32' : results[0], returns };
}

// --- code of the guests ---

const LOAD = { bool: 'i32.load8_u', s8: 'i32.load8_s', u8: 'i32.load8_u', s16: 'i32.load16_s', u16: 'i32.load16_u', s32: 'i32.load', u32: 'i32.load',
    s64: 'i64.load', u64: 'i64.load', f32: 'f32.load', f64: 'f64.load', char: 'i32.load' };
const STORE = { bool: 'i32.store8', s8: 'i32.store8', u8: 'i32.store8', s16: 'i32.store16', u16: 'i32.store16', s32: 'i32.store', u32: 'i32.store',
    s64: 'i64.store', u64: 'i64.store', f32: 'f32.store', f64: 'f64.store', char: 'i32.store' };
const BY_SIZE = { 1: '8', 2: '16', 4: '' };
const loadUnsigned = (size) => `i32.load${size === 4 ? '' : `${BY_SIZE[size]}_u`}`;
const COERCE = {
    'i32>f32': (e) => `(f32.reinterpret_i32 ${e})`, 'i64>i32': (e) => `(i32.wrap_i64 ${e})`,
    'i64>f32': (e) => `(f32.reinterpret_i32 (i32.wrap_i64 ${e}))`, 'i64>f64': (e) => `(f64.reinterpret_i64 ${e})`,
};
const coerce = (slot, to) => (slot.type === to ? slot : { type: to, text: COERCE[`${slot.type}>${to}`](slot.text) });
const offset = (n) => (n ? ` offset=${n}` : '');

/** Statements that write flat values to memory at $at + n. slots: [{ type, text }], used up from the front. */
function storeFlat(type, slots, n) {
    const parts = partsOf(type), cases = casesOf(type), { offsets, discriminant, payload, size } = layout(type);
    if (parts) return parts.map((part, i) => storeFlat(part, slots, n + offsets[i])).join('\n');
    const next = () => slots.shift().text;
    if (cases) {
        const index = next(), joined = slots.splice(0, flatten(type).length - 1);
        const branches = cases.map((of, i) => {
            if (!of) return '';
            const own = flatten(of).map((to, k) => coerce(joined[k], to));
            return `(if (i32.eq ${index} (i32.const ${i})) (then ${storeFlat(of, own, n + payload)}))`;
        });
        return `(i32.store${BY_SIZE[discriminant]}${offset(n)} (local.get $at) ${index})\n${branches.join('\n')}`;
    }
    if (type.kind === 'flags') return `(i32.store${BY_SIZE[size]}${offset(n)} (local.get $at) ${next()})`;
    if (type.kind === 'string' || type.kind === 'list')
        return `(i32.store${offset(n)} (local.get $at) ${next()}) (i32.store${offset(n + 4)} (local.get $at) ${next()})`;
    return `(${STORE[type.kind]}${offset(n)} (local.get $at) ${next()})`;
}

/** The flat value, for a type that has only one, of what lies at $at. */
function loadFlat(type, n = 0) {
    const parts = partsOf(type), { offsets, discriminant, size } = layout(type);
    if (parts) return loadFlat(parts[0], n + offsets[0]);
    const load = casesOf(type) ? loadUnsigned(discriminant) : type.kind === 'flags' ? loadUnsigned(size) : LOAD[type.kind];
    return `(${load}${offset(n)} (local.get $at))`;
}

/** Functions $digest<n>(at, state) -> state, one for each type that is in use. */
class Digests {
    constructor(encoding) {
        this.encoding = encoding;
        this.ids = new Map();
        this.functions = [];
    }
    /** An expression. */
    call(type, at, state) {
        if (!this.ids.has(type)) {
            this.ids.set(type, `$digest${this.ids.size}`);
            const id = this.ids.get(type), body = this.body(type);
            this.functions.push(`(func ${id} (param $at i32) (param $s i64) (result i64)
                (local $i i32) (local $n i32) (local $p i32) (local $f f32) (local $d f64) ${body})`);
        }
        return `(call ${this.ids.get(type)} ${at} ${state})`;
    }
    body(type) {
        const parts = partsOf(type), cases = casesOf(type), { offsets, discriminant, payload, size } = layout(type);
        const at = (n) => (n ? `(i32.add (local.get $at) (i32.const ${n}))` : '(local.get $at)');
        if (parts) return `${parts.map((part, i) => `(local.set $s ${this.call(part, at(offsets[i]), '(local.get $s)')})`).join('\n')} (local.get $s)`;
        if (cases) return this.cases(cases, discriminant, at(payload));
        if (type.kind === 'string') return this.string();
        if (type.kind === 'list') return this.list(type.element);
        return this.add(this.word(type, size));
    }
    add(word) {
        return `(call $add (local.get $s) ${word})`;
    }
    word(type, size) {
        const load = (op) => `(${op} (local.get $at))`;
        switch (type.kind) {
        case 's64': case 'u64': return load('i64.load');
        case 's8': case 's16': case 's32': return `(i64.extend_i32_s ${load(LOAD[type.kind])})`;
        case 'f32': return `(select (i64.extend_i32_u ${load('i32.load')}) (i64.const ${NAN_BITS}) (f32.eq (local.tee $f ${load('f32.load')}) (local.get $f)))`;
        case 'f64': return `(select ${load('i64.load')} (i64.const ${NAN_BITS}) (f64.eq (local.tee $d ${load('f64.load')}) (local.get $d)))`;
        case 'flags': return `(i64.extend_i32_u ${load(loadUnsigned(size))})`;
        default: return `(i64.extend_i32_u ${load(LOAD[type.kind])})`;
        }
    }
    cases(cases, discriminant, payload) {
        const branches = cases.map((of, i) => of && `(if (i32.eq (local.get $i) (i32.const ${i}))
            (then (return ${this.call(of, payload, '(local.get $s)')})))`);
        return `(local.set $i (${loadUnsigned(discriminant)} (local.get $at)))
            (local.set $s ${this.add('(i64.extend_i32_u (local.get $i))')}) ${branches.filter(Boolean).join('\n')} (local.get $s)`;
    }
    /** Address and length are read, the address is checked. */
    pointer(align) {
        return `(local.set $p (i32.load (local.get $at))) (local.set $n (i32.load offset=4 (local.get $at)))
            (if (i32.and (local.get $p) (i32.const ${align - 1})) (then unreachable))
            (local.set $s ${this.add('(i64.extend_i32_u (local.get $n))')})`;
    }
    loop(count, step) {
        return `(local.set $n ${count}) (block $done (loop $next (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
            ${step} (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next))) (local.get $s)`;
    }
    string() {
        const bytes = { utf8: '(local.get $n)', utf16: '(i32.shl (local.get $n) (i32.const 1))',
            'latin1+utf16': '(select (i32.shl (local.get $n) (i32.const 1)) (local.get $n) (i32.lt_s (local.get $n) (i32.const 0)))' }[this.encoding];
        return this.pointer(this.encoding === 'utf8' ? 1 : 2) +
            this.loop(bytes, `(local.set $s ${this.add('(i64.load8_u (i32.add (local.get $p) (local.get $i)))')})`);
    }
    list(element) {
        const { size, align } = layout(element), item = `(i32.add (local.get $p) (i32.mul (local.get $i) (i32.const ${size})))`;
        return this.pointer(align) + this.loop('(local.get $n)', `(local.set $s ${this.call(element, item, '(local.get $s)')})`);
    }
}

const POST = ['i32', 'i64', 'f32', 'f64'].map((type) => `(func (export "post-${type}") (param ${type}) (call $forget))`).join('\n');

const LIBC = `(core module $libc
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const ${HEAP}))
    (func $realloc (export "realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32) (result i32) (local $at i32) (local $end i32)
      (if (i32.or (i32.eqz (local.get $align)) (i32.and (local.get $align) (i32.sub (local.get $align) (i32.const 1)))) (then unreachable))
      (if (i32.and (i32.ne (local.get $old) (i32.const 0)) (i32.eq (local.get $align) (i32.const 1))) (then (local.set $align (i32.const 2))))
      (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
      (local.set $end (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (local.get $end) (i32.shl (memory.size) (i32.const 16)))
        (then (if (i32.lt_s (memory.grow (i32.add (i32.sub (i32.shr_u (local.get $end) (i32.const 16)) (memory.size)) (i32.const 1))) (i32.const 0))
          (then unreachable))))
      (memory.fill (local.get $at) (i32.const 0xa5) (local.get $size))
      (if (local.get $old) (then
        (memory.copy (local.get $at) (local.get $old)
          (select (local.get $old-size) (local.get $size) (i32.lt_u (local.get $old-size) (local.get $size))))
        (memory.fill (local.get $old) (i32.const 0x5a) (local.get $old-size))))
      (global.set $next (i32.or (local.get $end) (i32.const 1)))
      (local.get $at))
    (func $forget (memory.fill (i32.const ${HEAP}) (i32.const 0x99) (i32.sub (global.get $next) (i32.const ${HEAP}))) (global.set $next (i32.const ${HEAP})))
    ${POST})
  (core instance $libc (instantiate $libc))`;

const options = (encoding) => `(memory (core memory $libc "memory")) (realloc (core func $libc "realloc")) string-encoding=${encoding}`;
const lift = (names, f, encoding) => `(func $${f.name} (export "${f.name}") ${signature(names, f)}
    (canon lift (core func $guest "${f.name}") ${options(encoding)} (post-return (core func $libc "post-${coreShape(f).result}"))))`;
const coreParams = (shape) => shape.params.map((type, i) => `(param $p${i} ${type})`).join(' ');
const allocate = (type) => `(local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const ${layout(type).align}) (i32.const ${layout(type).size})))`;

/** The parameters, in memory as the tuple that they are, at $at. */
function gather(f, shape) {
    if (shape.spilled) return '(local.set $at (local.get $p0))';
    const tuple = { kind: 'tuple', items: f.params };
    const slots = shape.params.map((type, i) => ({ type, text: `(local.get $p${i})` }));
    return `${allocate(tuple)} ${storeFlat(tuple, slots, 0)}`;
}

function workerFunction(f, digests) {
    const shape = coreShape(f), give = shape.returns ? '(local.get $at)' : loadFlat(f.result);
    const body = {
        echo: () => `${gather(f, shape)} ${give}`, // a tuple of one lies in memory as its only item does
        digest: () => `${gather(f, shape)} ${digests.call({ kind: 'tuple', items: f.params }, '(local.get $at)', `(i64.const ${BigInt.asIntN(64, DIGEST_START)})`)}`,
        make: () => `(block $done (loop $next (br_if $done (i32.eqz (local.get $p3)))
            (local.set $at (i32.add (local.get $p0) (i32.load (local.get $p2))))
            (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (local.get $p0)))
            (local.set $p2 (i32.add (local.get $p2) (i32.const 4))) (local.set $p3 (i32.sub (local.get $p3) (i32.const 1))) (br $next)))
            (local.set $at (i32.add (local.get $p0) (local.get $p4))) ${give}`,
    }[f.role]();
    return `(func (export "${f.name}") ${coreParams(shape)} (result ${shape.result}) (local $at i32) ${body})`;
}

function worker(names, functions, encoding) {
    const digests = new Digests(encoding), bodies = functions.map((f) => workerFunction(f, digests));
    return `(component $c0
  ${LIBC}
  (core module $guest
    (import "libc" "memory" (memory 1)) (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (func $add (param $s i64) (param $w i64) (result i64) (i64.mul (i64.xor (local.get $s) (local.get $w)) (i64.const ${DIGEST_PRIME})))
    ${digests.functions.join('\n')}
    ${bodies.join('\n')})
  (core instance $guest (instantiate $guest (with "libc" (instance $libc))))
  ${names.declarations().join('\n')}
  ${functions.map((f) => lift(names, f, encoding)).join('\n')})`;
}

function relayFunction(f) {
    const shape = coreShape(f), given = shape.params.map((_, i) => `(local.get $p${i})`).join(' ');
    if (!shape.returns) return `(export "${f.name}" (func $${f.name}))`;
    return `(func (export "${f.name}") ${coreParams(shape)} (result i32) (local $at i32) ${allocate(f.result)}
        (call $${f.name} ${given} (local.get $at)) (local.get $at))`;
}

function relayImport(f) {
    const shape = coreShape(f), result = shape.returns ? '' : `(result ${shape.result})`;
    return `(import "" "${f.name}" (func $${f.name} (param ${[...shape.params, ...(shape.returns ? ['i32'] : [])].join(' ')}) ${result}))`;
}

function relay(names, functions, encoding, number) {
    return `(component $c${number}
  (import "next" (instance $next ${names.instanceDeclarations().join('\n')}
    ${functions.map((f) => `(export "${f.name}" (func ${signature(names, f)}))`).join('\n')}))
  ${names.named.map((_, i) => `(alias export $next "t${i}" (type $n${i})) (export $t${i} "t${i}" (type $n${i}))`).join('\n')}
  ${LIBC}
  ${functions.map((f) => `(core func $${f.name} (canon lower (func $next "${f.name}") ${options(encoding)}))`).join('\n')}
  (core module $guest
    (import "libc" "memory" (memory 1)) (import "libc" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    ${functions.map(relayImport).join('\n')}
    ${functions.map(relayFunction).join('\n')})
  (core instance $guest (instantiate $guest (with "libc" (instance $libc))
    (with "" (instance ${functions.map((f) => `(export "${f.name}" (func $${f.name}))`).join('\n')}))))
  ${functions.map((f) => lift(names, f, encoding)).join('\n')})`;
}

/** The text of a component that exports the interface "api". named: the types of the groups that need a name. */
export function componentText(groups, named, encodings) {
    const names = new TypeNames(named), functions = functionsOf(groups);
    const parts = encodings.map((encoding, i) => (i === 0 ? worker(names, functions, encoding) : relay(names, functions, encoding, i)));
    const instances = encodings.map((_, i) => `(instance $i${i} (instantiate $c${i}${i ? ` (with "next" (instance $i${i - 1}))` : ''}))`);
    // The types of the last are those of the first: they are exported by being the first's.
    const exports = encodings.map((_, i) => `(export "${i === encodings.length - 1 ? 'api' : `api${i}`}" (instance $i${i}))`);
    return `(component\n${[...parts, ...instances, ...exports].join('\n')})`;
}

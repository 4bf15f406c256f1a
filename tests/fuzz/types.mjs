// Random types of the component model, their canonical layout, and random values: written from CanonicalABI.md alone, knowing
// nothing of golem-aot, so that both can be compared.
//
// A type is { kind, ... }: list, option {element}; record {fields: [{name, type}]}; tuple {items}; variant {cases: [{name, type|null}]};
// enum, flags {names}; result {ok, err}, each a type or null. A value is: boolean; bigint for all integers; number for floats; a
// string for char and string; an array for list, record and tuple; {index, payload} for variant, enum, option and result; a
// number, bit i for flag i, for flags.

const PRIMITIVES = ['bool', 's8', 'u8', 's16', 'u16', 's32', 'u32', 's64', 'u64', 'f32', 'f64', 'char', 'string'];
const SIZES = { bool: 1, s8: 1, u8: 1, s16: 2, u16: 2, s32: 4, u32: 4, s64: 8, u64: 8, f32: 4, f64: 8, char: 4, string: 8, list: 8 };
const FLAT = { s64: 'i64', u64: 'i64', f32: 'f32', f64: 'f64' };
const WORDS = ['true', 'false', 'inf', 'nan', 'some', 'none', 'ok', 'err', 'a', 'the-name', 'x1', 'list', 'string', 'HTTP', 'a-B2-c'];

/** A source of chance with the forms that are needed here. */
export function dice(random) {
    const below = (limit) => Math.floor(random() * limit);
    return { below, one: (list) => list[below(list.length)], odds: (n) => below(n) === 0, from: (low, high) => low + below(high - low + 1) };
}

// --- types ---

function names(die, count, words = WORDS) {
    const used = new Set();
    return Array.from({ length: count }, (_, i) => {
        const word = die.odds(3) ? die.one(words) : `n${i}`;
        const name = used.has(word.toLowerCase()) ? `n${i}` : word;
        used.add(name.toLowerCase());
        return name;
    });
}

const count = (die) => (die.odds(12) ? die.from(7, 20) : die.from(1, 5));

/** The types that have a name of their own in WIT are added to `named`. */
export function randomType(die, depth, named) {
    const inner = () => randomType(die, depth - 1, named);
    const name = (type) => (named.push(type), type);
    if (depth === 0 || die.odds(3)) return { kind: die.one(PRIMITIVES) };
    switch (die.below(10)) {
    case 0: case 1: return { kind: 'list', element: inner() };
    case 2: return { kind: 'option', element: die.odds(3) ? { kind: 'option', element: inner() } : inner() };
    case 3: return { kind: 'result', ok: die.odds(3) ? null : inner(), err: die.odds(3) ? null : inner() };
    case 4: return { kind: 'tuple', items: Array.from({ length: count(die) }, inner) };
    case 5: return name({ kind: 'enum', names: names(die, die.odds(4) ? die.one([255, 256, 257, 300]) : die.from(1, 9)) });
    case 6: return name({ kind: 'flags', names: names(die, die.one([1, 2, 7, 8, 9, 15, 16, 17, 31, 32])) });
    case 7: case 8: {
        const size = die.odds(30) ? 258 : count(die);
        const payload = size > 20 ? () => (die.odds(40) ? { kind: die.one(PRIMITIVES) } : null) : () => (die.odds(4) ? null : inner());
        return name({ kind: 'variant', cases: names(die, size).map((label) => ({ name: label, type: payload() })) });
    }
    default: return name({ kind: 'record', fields: names(die, count(die)).map((label) => ({ name: label, type: inner() })) });
    }
}

/** Payload types of the cases of a variant, option, result or enum; null where there is none. undefined for other types. */
export function casesOf(type) {
    switch (type.kind) {
    case 'variant': return type.cases.map((c) => c.type);
    case 'enum': return type.names.map(() => null);
    case 'option': return [null, type.element];
    case 'result': return [type.ok, type.err];
    default: return undefined;
    }
}

export function labelsOf(type) {
    if (type.kind === 'variant') return type.cases.map((c) => c.name);
    return { option: ['none', 'some'], result: ['ok', 'err'] }[type.kind] ?? type.names;
}

/** Types of the fields of a record or tuple. undefined for other types. */
export const partsOf = (type) => (type.kind === 'record' ? type.fields.map((f) => f.type) : type.items);

export function typeText(type) {
    const or = (t) => (t ? typeText(t) : '_');
    switch (type.kind) {
    case 'list': case 'option': return `${type.kind}<${typeText(type.element)}>`;
    case 'result': return `result<${or(type.ok)}, ${or(type.err)}>`;
    case 'tuple': return `tuple<${type.items.map(typeText).join(', ')}>`;
    case 'record': return `record { ${type.fields.map((f) => `${f.name}: ${typeText(f.type)}`).join(', ')} }`;
    case 'variant': return `variant { ${type.cases.map((c) => (c.type ? `${c.name}(${typeText(c.type)})` : c.name)).join(', ')} }`;
    case 'enum': case 'flags': return `${type.kind} { ${type.names.length} names }`;
    default: return type.kind;
    }
}

// --- layout (CanonicalABI.md: Alignment, Element Size, Flattening) ---

const alignTo = (at, align) => Math.ceil(at / align) * align;
const bySize = (n) => (n <= 256 ? 1 : n <= 65536 ? 2 : 4);

/** { size, align, offsets (record, tuple), discriminant, payload (offset) } */
export function layout(type) {
    return (type.layout ??= computeLayout(type));
}

function computeLayout(type) {
    const parts = partsOf(type), cases = casesOf(type);
    if (parts) {
        let at = 0, align = 1;
        const offsets = parts.map((part) => {
            const inner = layout(part), offset = alignTo(at, inner.align);
            at = offset + inner.size;
            align = Math.max(align, inner.align);
            return offset;
        });
        return { size: alignTo(at, align), align, offsets };
    }
    if (cases) {
        const discriminant = bySize(cases.length), payloads = cases.filter(Boolean).map(layout);
        const inner = Math.max(1, ...payloads.map((l) => l.align)), align = Math.max(discriminant, inner);
        const payload = alignTo(discriminant, inner);
        return { size: alignTo(payload + Math.max(0, ...payloads.map((l) => l.size)), align), align, discriminant, payload };
    }
    if (type.kind === 'flags') {
        const size = type.names.length <= 8 ? 1 : type.names.length <= 16 ? 2 : 4;
        return { size, align: size };
    }
    const size = SIZES[type.kind];
    return { size, align: type.kind === 'string' || type.kind === 'list' ? 4 : size };
}

const join = (a, b) => (a === b ? a : [a, b].every((t) => t === 'i32' || t === 'f32') ? 'i32' : 'i64');

/** The core types that a value is flattened to. */
export function flatten(type) {
    return (type.flat ??= computeFlat(type));
}

function computeFlat(type) {
    const parts = partsOf(type), cases = casesOf(type);
    if (parts) return parts.flatMap(flatten);
    if (cases) {
        const slots = [];
        for (const payload of cases.filter(Boolean)) flatten(payload).forEach((t, i) => (slots[i] = slots[i] ? join(slots[i], t) : t));
        return ['i32', ...slots];
    }
    return type.kind === 'string' || type.kind === 'list' ? ['i32', 'i32'] : [FLAT[type.kind] ?? 'i32'];
}

// --- values ---

const INTEGER = /^([su])(\d+)$/;
const CHARS = [0, 9, 10, 13, 0x1b, 0x20, 0x22, 0x27, 0x5c, 0x7f, 0x80, 0x85, 0xa0, 0xff, 0x100, 0x7ff, 0x800, 0x2028, 0xd7ff, 0xe000, 0xfeff, 0xfffd,
    0xffff, 0x10000, 0x1f600, 0x10ffff];
const FLOATS = [0, -0, 1, -1, 0.1, -0.5, 1 / 3, NaN, Infinity, -Infinity, 5e-324, -5e-324, 2.2250738585072014e-308, Number.MAX_VALUE, -Number.MAX_VALUE,
    1.401298464324817e-45, 1.1754943508222875e-38, 3.4028234663852886e38, 16777216, 16777217, 9007199254740993, 4294967296, 1e21, 1e-7];

function integer(die, kind) {
    const [, sign, digits] = INTEGER.exec(kind), bits = BigInt(digits);
    const low = sign === 's' ? -(1n << (bits - 1n)) : 0n, high = sign === 's' ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
    const any = () => low + (BigInt(die.below(2 ** 32)) << 32n | BigInt(die.below(2 ** 32))) % (high - low + 1n);
    return die.one([() => 0n, () => low, () => high, () => low + 1n, () => high - 1n, () => (high + 1n) / 2n, any, any, any])();
}

function scalar(die) {
    if (die.odds(3)) return die.one(CHARS);
    const limit = die.one([0x80, 0x80, 0x100, 0x800, 0x10000, 0x110000]), code = die.below(limit);
    return code >= 0xd800 && code < 0xe000 ? code - 0x800 : code;
}

/** Lengths around the growth of buffers; now and then long enough to need memory.grow. */
function string(die) {
    const length = die.odds(60) ? die.one([1000, 4095, 4096, 4097, 70000]) : die.odds(8) ? die.from(20, 70) : die.below(8);
    const pick = die.one([() => 0x61 + die.below(26), () => die.below(0x100), () => scalar(die), () => (die.odds(length) ? 0x100 + die.below(0x500) : 0x41)]);
    return String.fromCodePoint(...Array.from({ length }, pick));
}

function floating(die, kind) {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setUint32(0, die.below(2 ** 32));
    bits.setUint32(4, die.below(2 ** 32));
    const value = die.odds(2) ? die.one(FLOATS) : kind === 'f32' ? bits.getFloat32(0) : bits.getFloat64(0);
    return kind === 'f32' ? Math.fround(value) : value;
}

const LIST_LENGTHS = [0, 0, 1, 1, 2, 3, 4, 5, 8];

/** budget: { left }, about how many leaves may still be made. */
export function randomValue(die, type, budget = { left: 300 }) {
    budget.left--;
    const parts = partsOf(type), cases = casesOf(type);
    if (parts) return parts.map((part) => randomValue(die, part, budget));
    if (cases) {
        const index = die.odds(4) ? cases.length - 1 : die.below(cases.length);
        return { index, payload: cases[index] ? randomValue(die, cases[index], budget) : undefined };
    }
    switch (type.kind) {
    case 'bool': return die.odds(2);
    case 'f32': case 'f64': return floating(die, type.kind);
    case 'char': return String.fromCodePoint(scalar(die));
    case 'string': return string(die);
    case 'flags': return die.one([0, 2 ** type.names.length - 1, die.below(2 ** type.names.length)]);
    case 'list': {
        const plain = die.odds(20) && SIZES[type.element.kind] && type.element.kind !== 'list' && type.element.kind !== 'string';
        const length = plain ? die.from(100, 3000) : budget.left > 0 ? die.one(LIST_LENGTHS) : die.below(2) * die.below(2);
        return Array.from({ length }, () => randomValue(die, type.element, budget));
    }
    default: return integer(die, type.kind);
    }
}

/** Whether two values are the same: all NaNs are one, 0 and -0 are two. */
export function same(a, b) {
    if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i]));
    if (a !== null && typeof a === 'object') return typeof b === 'object' && b !== null && a.index === b.index && same(a.payload, b.payload);
    return Object.is(a, b);
}

// --- WAVE text ---

const KEYWORDS = new Set(['true', 'false', 'inf', 'nan', 'some', 'none', 'ok', 'err']);
const label = (name) => (KEYWORDS.has(name) ? `%${name}` : name);

function escaped(text, quote, die) {
    return Array.from(text, (char) => {
        const code = char.codePointAt(0), simple = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\', '"': '\\"', "'": "\\'" }[char];
        if (simple && (char !== '"' || quote === '"') && (char !== "'" || quote === "'") && !die?.odds(5)) return simple;
        return char === quote || code === 0x5c || code < 0x20 || code === 0x7f || die?.odds(20) ? `\\u{${code.toString(16)}}` : char;
    }).join('');
}

const floatText = (value) => (Object.is(value, -0) ? '-0' : String(value).replace('Infinity', 'inf').replace('NaN', 'nan'));

/** die: for the choice between spellings; without it the simplest. */
export function waveText(type, value, die) {
    const payload = (name, of) => (of === null ? name : `${name}(${waveText(of, value.payload, die)})`);
    switch (type.kind) {
    case 'bool': return String(value);
    case 'f32': case 'f64': return floatText(value);
    case 'char': return `'${escaped(value, "'", die)}'`;
    case 'string': return `"${escaped(value, '"', die)}"`;
    case 'list': return `[${value.map((item) => waveText(type.element, item, die)).join(', ')}]`;
    case 'tuple': return `(${value.map((item, i) => waveText(type.items[i], item, die)).join(', ')})`;
    case 'record': {
        const written = type.fields.map((field, i) => [field, value[i]])
            .filter(([field, item]) => !(field.type.kind === 'option' && item.index === 0 && die?.odds(2)));
        if (written.length === 0) return '{:}';
        return `{${written.map(([field, item]) => `${label(field.name)}: ${waveText(field.type, item, die)}`).join(', ')}}`;
    }
    case 'flags': return `{${type.names.filter((_, i) => Math.floor(value / 2 ** i) % 2).map(label).join(', ')}}`;
    case 'variant': return payload(label(type.cases[value.index].name), type.cases[value.index].type);
    case 'enum': return label(type.names[value.index]);
    case 'option': return value.index ? payload('some', type.element) : 'none';
    case 'result': return value.index ? payload('err', type.err) : payload('ok', type.ok);
    default: return String(value);
    }
}

function fail(type, tree) {
    throw new Error(`${JSON.stringify(tree, (_, v) => (typeof v === 'bigint' ? String(v) : v))} is no ${type.kind}`);
}

function caseValue(type, tree) {
    const index = labelsOf(type).indexOf(tree.label ?? fail(type, tree)), of = casesOf(type)[index];
    if (index < 0 || Boolean(of) !== 'payload' in tree) fail(type, tree);
    return { index, payload: of ? fromTree(of, tree.payload) : undefined };
}

function recordValue(type, tree) {
    const fields = new Map(tree.record ?? (tree.flags?.length === 0 ? [] : fail(type, tree)));
    const value = type.fields.map((field) => {
        const given = fields.get(field.name);
        fields.delete(field.name);
        return given !== undefined ? fromTree(field.type, given) : field.type.kind === 'option' ? { index: 0, payload: undefined } : fail(field.type, tree);
    });
    return fields.size ? fail(type, tree) : value;
}

/** The value of a tree that ../wave.mjs read. */
export function fromTree(type, tree) {
    switch (type.kind) {
    case 'bool': return tree.label === 'true' || (tree.label === 'false' ? false : fail(type, tree));
    case 'f32': return Math.fround(Number(tree));
    case 'f64': return Number(tree);
    case 'char': return tree.char ?? fail(type, tree);
    case 'string': return typeof tree === 'string' ? tree : fail(type, tree);
    case 'list': return Array.isArray(tree) ? tree.map((item) => fromTree(type.element, item)) : fail(type, tree);
    case 'tuple': return tree.tuple?.length === type.items.length ? tree.tuple.map((item, i) => fromTree(type.items[i], item)) : fail(type, tree);
    case 'record': return recordValue(type, tree);
    case 'flags': return (tree.flags ?? fail(type, tree)).reduce((bits, name) => bits + 2 ** type.names.indexOf(name), 0);
    case 'variant': case 'enum': case 'option': case 'result': return caseValue(type, tree);
    default: return typeof tree === 'bigint' ? tree : fail(type, tree);
    }
}

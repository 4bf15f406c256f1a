// What a value looks like in linear memory, and a digest of it: the counterpart, in JavaScript, of what the guests of
// component.mjs do.
import { casesOf, layout, partsOf } from './types.mjs';

export const ENCODINGS = ['utf8', 'utf16', 'latin1+utf16'];
const UTF16_TAG = 0x80000000;

const latin1 = (text) => /^[\0-\xff]*$/.test(text);

/** { bytes, units, align } in the string encoding. `wide`: UTF-16 in latin1+utf16 also for what would fit into Latin-1. */
export function encodeString(text, encoding, wide = false) {
    if (encoding === 'utf8') {
        const bytes = Buffer.from(text, 'utf8');
        return { bytes, units: bytes.length, align: 1 };
    }
    if (encoding === 'latin1+utf16' && !wide && latin1(text)) return { bytes: Buffer.from(text, 'latin1'), units: text.length, align: 2 };
    return { bytes: Buffer.from(text, 'utf16le'), units: encoding === 'utf16' ? text.length : text.length + UTF16_TAG, align: 2 };
}

const WIDTH = { s8: 1, u8: 1, s16: 2, u16: 2, s32: 4, u32: 4, s64: 8, u64: 8 };

/**
 * A value in memory, addresses counting from 0; `relocations` are the places of the addresses in it. What the canonical ABI leaves
 * free is random: padding, bits of flags without a flag, the bytes of a bool that is true, the payloads of NaNs.
 */
export class Image {
    constructor(die, encoding) {
        this.die = die;
        this.encoding = encoding;
        this.bytes = Buffer.alloc(0);
        this.size = 0;
        this.relocations = [];
    }
    static of(die, encoding, type, value) {
        const image = new Image(die, encoding);
        image.root = image.allocate(layout(type).align, layout(type).size);
        image.store(type, value, image.root);
        return image;
    }
    allocate(align, size) {
        const at = Math.ceil(this.size / align) * align;
        this.size = at + size;
        if (this.size > this.bytes.length) {
            const grown = Buffer.alloc(this.size * 2 + 64, 0xcc);
            this.bytes.copy(grown, 0, 0, at);
            this.bytes = grown;
        }
        return at;
    }
    pointer(at, target, length) {
        this.relocations.push(at);
        this.bytes.writeUInt32LE(target, at);
        this.bytes.writeUInt32LE(length, at + 4);
    }
    store(type, value, at) {
        const parts = partsOf(type), cases = casesOf(type), { discriminant, offsets, payload, size } = layout(type);
        if (parts) return parts.forEach((part, i) => this.store(part, value[i], at + offsets[i]));
        if (cases) {
            this.bytes.writeUIntLE(value.index, at, discriminant);
            return cases[value.index] && this.store(cases[value.index], value.payload, at + payload);
        }
        switch (type.kind) {
        case 'bool': return this.bytes.writeUInt8(value ? this.die.one([1, 1, 2, 128, 255]) : 0, at);
        case 'f32': return Number.isNaN(value) ? this.bytes.writeUInt32LE(this.die.one([0x7fc00000, 0xffc12345, 0x7f800001]), at) : this.bytes.writeFloatLE(value, at);
        case 'f64': return Number.isNaN(value) ? this.bytes.writeBigUInt64LE(this.die.one([0x7ff8n << 48n, 0xfff0000000000001n]), at) : this.bytes.writeDoubleLE(value, at);
        case 'char': return this.bytes.writeUInt32LE(value.codePointAt(0), at);
        case 'flags': {
            const known = 2 ** type.names.length, all = 2 ** (8 * size);
            return this.bytes.writeUIntLE(value + this.die.below(all / known) * known, at, size);
        }
        case 'string': return this.string(value, at);
        case 'list': {
            const element = layout(type.element), items = this.allocate(element.align, element.size * value.length);
            this.pointer(at, items, value.length);
            return value.forEach((item, i) => this.store(type.element, item, items + i * element.size));
        }
        default: return this.integer(BigInt.asUintN(64, value), WIDTH[type.kind], at);
        }
    }
    integer(value, width, at) {
        for (let i = 0; i < width; i++) this.bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    }
    string(text, at) {
        const { bytes, units, align } = encodeString(text, this.encoding, this.die.odds(3));
        const target = this.allocate(align, bytes.length);
        bytes.copy(this.bytes, target);
        this.pointer(at, target, units);
    }
    /** The image as u64s. */
    words() {
        const padded = Buffer.alloc(Math.ceil(this.size / 8) * 8);
        this.bytes.copy(padded, 0, 0, this.size);
        return Array.from({ length: padded.length / 8 }, (_, i) => padded.readBigUInt64LE(8 * i));
    }
}

// --- digest: FNV-1a over words of 64 bits; the guests compute the same from their memory ---

export const DIGEST_START = 0xcbf29ce484222325n;
export const DIGEST_PRIME = 0x100000001b3n;
export const NAN_BITS = 0x7ff8000000000000n;

const scratch = new DataView(new ArrayBuffer(8));

function floatBits(type, value) {
    if (Number.isNaN(value)) return NAN_BITS;
    if (type.kind === 'f64') {
        scratch.setFloat64(0, value);
        return scratch.getBigUint64(0);
    }
    scratch.setFloat32(0, value);
    return BigInt(scratch.getUint32(0));
}

export function digest(type, value, encoding, state = DIGEST_START) {
    const add = (word) => (state = BigInt.asUintN(64, (state ^ BigInt.asUintN(64, word)) * DIGEST_PRIME));
    const parts = partsOf(type), cases = casesOf(type);
    if (parts) return parts.reduce((s, part, i) => digest(part, value[i], encoding, s), state);
    if (cases) {
        add(BigInt(value.index));
        return cases[value.index] ? digest(cases[value.index], value.payload, encoding, state) : state;
    }
    switch (type.kind) {
    case 'bool': return add(value ? 1n : 0n);
    case 'f32': case 'f64': return add(floatBits(type, value));
    case 'char': return add(BigInt(value.codePointAt(0)));
    case 'flags': return add(BigInt(value));
    case 'string': {
        const { bytes, units } = encodeString(value, encoding);
        add(BigInt(units));
        for (const byte of bytes) add(BigInt(byte));
        return state;
    }
    case 'list':
        add(BigInt(value.length));
        return value.reduce((s, item) => digest(type.element, item, encoding, s), state);
    default: return add(value);
    }
}

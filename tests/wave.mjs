// WAVE text, read into trees that can be compared: tests/e2e compares what a worker answered with what it was given.
//
// A number is a number, or a bigint when it is written without point and exponent; a character is {char}; a list is an array; a tuple
// is {tuple}; a label with its payload is {label, payload}; a record is {record}, without the fields that are none, which may be left
// out; flags are {flags}, sorted.

const TOKEN = /\s*(?:(?<number>-?(?:inf\b|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?))|(?<label>%?[A-Za-z][A-Za-z0-9-]*)|'(?<char>(?:[^\\']|\\u\{[0-9a-fA-F]+\}|\\.)+)'|"(?<string>(?:[^\\"]|\\.)*)"|(?<mark>[\][(){}:,]))/suy;
const ESCAPES = { n: '\n', r: '\r', t: '\t' };

const unescape = (text) => text.replace(/\\(?:u\{([0-9a-fA-F]+)\}|(.))/gsu, (_, code, char) =>
    code ? String.fromCodePoint(parseInt(code, 16)) : ESCAPES[char] ?? char);

class Reader {
    constructor(text, keepNone) {
        this.text = text;
        this.keepNone = keepNone;
        this.at = 0;
        this.next();
    }
    next() {
        const token = this.token;
        TOKEN.lastIndex = this.at;
        const match = TOKEN.exec(this.text);
        if (!match && this.text.slice(this.at).trim() !== '')
            throw new Error(`not WAVE at ${this.at}: ${JSON.stringify(this.text.slice(this.at, this.at + 40))}`);
        const [kind, text] = match ? Object.entries(match.groups).find(([, group]) => group !== undefined) : ['end', ''];
        this.at = match ? TOKEN.lastIndex : this.text.length;
        this.token = { kind, text };
        return token;
    }
    is(mark) {
        return this.token.kind === 'mark' && this.token.text === mark;
    }
    take(mark) {
        if (!this.is(mark)) return false;
        this.next();
        return true;
    }
    expect(mark) {
        if (!this.take(mark)) throw new Error(`${mark} is missing before ${this.at} of ${this.text.slice(0, 200)}`);
    }
    items(end, read) {
        const items = [];
        while (!this.take(end)) {
            items.push(read());
            if (!this.is(end)) this.expect(',');
        }
        return items;
    }
    braces() {
        if (this.take(':')) {
            this.expect('}');
            return { record: [] };
        }
        const members = this.items('}', () => {
            const name = this.next().text.replace(/^%/, '');
            return this.take(':') ? [name, this.value()] : [name];
        });
        if (members.every((member) => member.length === 1)) return { flags: members.map(([name]) => name).sort() };
        return { record: members.filter(([, value]) => this.keepNone || value?.label !== 'none').sort(([a], [b]) => (a < b ? -1 : 1)) };
    }
    value() {
        const { kind, text } = this.next();
        if (kind === 'number') return number(text);
        if (kind === 'string') return unescape(text);
        if (kind === 'char') return { char: unescape(text) };
        if (kind === 'label') return this.label(text);
        if (kind === 'mark' && text === '[') return this.items(']', () => this.value());
        if (kind === 'mark' && text === '(') return { tuple: this.items(')', () => this.value()) };
        if (kind === 'mark' && text === '{') return this.braces();
        throw new Error(`no value where ${JSON.stringify(text)} stands in ${this.text.slice(0, 200)}`);
    }
    label(text) {
        if (text === 'nan') return NaN;
        if (text === 'inf') return Infinity;
        const label = text.replace(/^%/, '');
        if (!this.take('(')) return { label };
        const [payload, ...more] = this.items(')', () => this.value());
        if (payload === undefined || more.length > 0) throw new Error(`${label} takes one payload`);
        return { label, payload };
    }
}

function number(text) {
    if (/^-?\d+$/.test(text) && text !== '-0') return BigInt(text);
    return Number(text.replace('inf', 'Infinity'));
}

/** The tree of a value. keepNone: fields of records that are none are kept. */
export function wave(text, { keepNone = false } = {}) {
    const reader = new Reader(text, keepNone);
    const value = reader.value();
    if (reader.token.kind !== 'end') throw new Error(`text after the value: ${text.slice(0, 200)}`);
    return value;
}

/** The same tree with every number as a float of that width, for what may be printed as 1 or 1.0, with more digits or with fewer. */
export function asFloats(value, round = Number) {
    if (typeof value === 'bigint' || typeof value === 'number') return round(Number(value));
    if (Array.isArray(value)) return value.map((item) => asFloats(item, round));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asFloats(item, round)]));
}

/** WAVE's form of a string. */
export function quoted(text) {
    return `"${text.replace(/[\\"]/g, '\\$&').replace(/[\n\r\t]/g, (char) => ({ '\n': '\\n', '\r': '\\r', '\t': '\\t' })[char])}"`;
}

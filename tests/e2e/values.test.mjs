// Values of every type, through WAVE text into a guest and out again: the echo guest gives back what it gets.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { executable, run, Session } from '../harness.mjs';
import { asFloats, quoted, wave } from '../wave.mjs';

const API = 'demo:echo/api@1.0.0';
const program = executable('echo');
const session = new Session(program, ['--ephemeral']);
after(() => session.kill());

const ask = (fn, ...values) => session.ask(`${API}.{${fn}}(${values.join(', ')})`);
const call = (fn, ...values) => session.call(`${API}.{${fn}}(${values.join(', ')})`);
const argv = (fn, ...values) => run(program, ['--ephemeral', 'invoke', `${API}.{${fn}}`, ...values]);

const person = (name, age, nick, tags) => `{name: ${quoted(name)}, age: ${age}, nick: ${nick}, tags: [${tags.map(quoted).join(', ')}]}`;
const team = (name, people, x, y) => `{name: ${quoted(name)}, people: [${people.join(', ')}], home: {x: ${x}, y: ${y}}}`;
const ada = person('Ada "the first" Lovelace', 36, 'some("countess")', ['maths', '', 'ünï ☂ 𝄞']);
const nobody = person('', 0, 'none', []);
const gaps = (a, b, c, d, e, f, g, h, i) => `{a: ${a}, b: ${b}, c: ${c}, d: ${d}, e: ${e}, f: ${f}, g: ${g}, h: ${h}, i: ${i}}`;
const bits = (count, on) => `{${Array.from({ length: count }, (_, i) => i).filter(on).map((i) => `f${i}`).join(', ')}}`;
const shapes = ['nothing', 'number(-2147483648)', 'number(2147483647)', 'big(18446744073709551615)', 'ratio(-0.5)', 'ratio(nan)',
    'precise(-1.7976931348623157e308)', 'precise(5e-324)', 'text("")', 'text("a shape\\n")', 'at({x: -inf, y: 0.25})',
    'pair((4294967295, 9223372036854775808))'];
const strings = ['', 'a', '\\u{0}', 'grüße', '𝄞\\u{10ffff}\\u{d7ff}\\u{e000}', 'tab\\tnewline\\nreturn\\rquote\\"back\\\\slash', "single'quote",
    '{a: [1, (2, \\"x\\")]}', '\\u{7f}\\u{80}\\u{200d}\\u{feff}'].map((text) => `"${text}"`);

/** What comes back must be what went in, as values. */
const same = {
    'echo-bool': ['true', 'false'],
    'echo-u8': ['0', '1', '127', '128', '255'],
    'echo-u16': ['0', '32768', '65535'],
    'echo-u32': ['0', '2147483648', '4294967295'],
    'echo-u64': ['0', '9007199254740993', '9223372036854775808', '18446744073709551615'],
    'echo-s8': ['-128', '-1', '0', '127'],
    'echo-s16': ['-32768', '-1', '32767'],
    'echo-s32': ['-2147483648', '-1', '2147483647'],
    'echo-s64': ['-9223372036854775808', '-9007199254740993', '-1', '9223372036854775807'],
    'echo-f32': ['0', '-0.0', '0.1', '1.5', '-3.4028235e38', '1e-45', '1.1754944e-38', '16777216', '33554432', 'nan', 'inf', '-inf'],
    'echo-f64': ['0', '-0.0', '0.1', '1.7976931348623157e308', '5e-324', '2.2250738585072014e-308', '9007199254740993', '123456789.125',
        'nan', 'inf', '-inf'],
    'echo-char': ["'a'", "'\\''", "'\"'", "'\\\\'", "'\\n'", "'\\u{0}'", "'☂'", "'𝄞'", "'\\u{d7ff}'", "'\\u{e000}'", "'\\u{10ffff}'"],
    'echo-string': strings,
    'echo-bytes': ['[]', '[0]', '[0, 127, 128, 255]'],
    'echo-strings': ['[]', '[""]', `[${strings.join(', ')}]`],
    'echo-u64s': ['[]', '[0, 18446744073709551615]'],
    'echo-f32s': ['[]', '[0.5, -inf, nan, 1e-45]'],
    'echo-chars': ['[]', "['a', '\\u{10ffff}', '\\u{0}']"],
    'echo-bools': ['[]', '[true]', '[true, false, true]'],
    'echo-matrix': ['[]', '[[]]', '[[1, 2], [], [65535]]'],
    'echo-points': ['[]', '[{x: 1, y: -2.5}, {x: inf, y: -0.0}]'],
    'echo-shapes': ['[]', `[${shapes.join(', ')}]`],
    'echo-colours': ['[]', '[red, green, blue, red]'],
    'echo-rights-list': ['[]', '[{}, {read}, {write, execute}, {read, write, execute}]'],
    'echo-options': ['[]', '[none, some(0), some(4294967295), none]'],
    'echo-pairs': ['[]', '[("k", 1), ("", 18446744073709551615)]'],
    'echo-teams': ['[]', `[${team('t', [ada, nobody], -0.5, '1e300')}, ${team('', [], 0, 0)}]`],
    'echo-point': ['{x: 0.1, y: -1e-300}', '{x: nan, y: -0.0}', '{y: 2, x: 1}'],
    'echo-person': [ada, nobody, person('x', 255, 'some("")', [])],
    'echo-team': [team('all', [nobody, ada, nobody], 1.5, -2), team('', [], 'inf', 'nan')],
    'echo-gaps': [gaps(1, 2, true, 4, 5.5, -6, 7.25, "'€'", -9), gaps(255, '18446744073709551615', false, 65535, '-inf', -128, 'nan', "'\\u{10ffff}'", -32768)],
    'echo-tuple': ['(255, "two", 3.5, -9223372036854775808)', '(0, "", -0.0, 0)'],
    'echo-shape': shapes,
    'echo-small': ['whole(-2147483648)', 'whole(2147483647)', 'real(-0.75)', 'real(inf)'],
    'echo-colour': ['red', 'green', 'blue'],
    'echo-rights': ['{}', '{read}', '{execute, read}', '{read, write, execute}'],
    'echo-twelve': ['{}', bits(12, (i) => i % 3 === 0), bits(12, (i) => i === 11), bits(12, () => true)],
    'echo-thirty-two': ['{}', bits(32, (i) => i % 2 === 1), bits(32, (i) => i === 31), bits(32, () => true)],
    'echo-option': ['none', 'some(0)', 'some(18446744073709551615)'],
    'echo-option-string': ['none', 'some("")', 'some("none")'],
    'echo-option-option': ['none', 'some(none)', 'some(some(0))', 'some(some(255))'],
    'echo-result': ['ok(4294967295)', 'err("")', 'err("bad")'],
    'echo-result-ok': ['ok(18446744073709551615)', 'err'],
    'echo-result-err': ['ok', 'err(-0.5)', 'err(inf)'],
    'echo-result-none': ['ok', 'err'],
    'echo-result-shape': [...shapes.map((shape) => `ok(${shape})`), 'err(red)', 'err(blue)'],
};

/** The width that each function's floats are rounded to; those without floats are compared to the digit. */
const f32 = new Set(['echo-f32', 'echo-f32s', 'echo-small', 'echo-tuple', 'echo-result-err']);
const f64 = new Set(['echo-f64', 'echo-points', 'echo-shapes', 'echo-teams', 'echo-point', 'echo-team', 'echo-gaps', 'echo-shape', 'echo-result-shape']);
function value(fn, text) {
    const tree = wave(text);
    return f32.has(fn) ? asFloats(tree, Math.fround) : f64.has(fn) ? asFloats(tree) : tree;
}

for (const [fn, texts] of Object.entries(same))
    test(`${fn} gives back what it gets, line by line and from the command line`, async () => {
        for (const text of texts) assert.deepEqual(value(fn, await call(fn, text)), value(fn, text), text);
        const text = texts.at(-1);
        const { status, stdout, stderr } = argv(fn, text);
        assert.equal(status, 0, stderr);
        assert.deepEqual(value(fn, stdout.trimEnd()), value(fn, text));
    });

test('integers beyond 2^53 keep their last digit, in the 64 bits of a joined slot as well', async () => {
    assert.equal(await call('echo-u64', '18446744073709551613'), '18446744073709551613');
    assert.equal(await call('echo-shape', 'big(18446744073709551613)'), 'big(18446744073709551613)');
    assert.equal(await call('echo-shape', 'pair((4294967293, 18446744073709551611))'), 'pair((4294967293, 18446744073709551611))');
    assert.match(await call('echo-tuple', '(1, "", 0, -9223372036854775807)'), /, -9223372036854775807\)$/);
});

test('a float that its type cannot hold is rounded to the nearest that it can', async () => {
    assert.equal(Number(await call('echo-f32', '16777217')), 16777216);
    assert.equal(Number(await call('echo-f32', '0.1')).toFixed(7), '0.1000000');
    assert.equal(Number(await call('echo-f64', '0.30000000000000001')), 0.3);
});

test('a printed float is a float that reads back the same', async () => {
    for (const text of ['1e21', '1e-7', '123456789012345680', '4.9e-324', '1.0000000000000002', '-0.0'])
        assert.ok(Object.is(Number(await call('echo-f64', await call('echo-f64', text))), Number(text)), text);
    for (const text of ['1e38', '1e-7', '0.3', '8388607.5', '3.4028235e38'])
        assert.equal(Math.fround(Number(await call('echo-f32', await call('echo-f32', text)))), Math.fround(Number(text)), text);
});

test('a value stays on its line: control characters are escaped', async () => {
    const answer = await call('echo-string', '"a\\nb\\rc\\u{0}\\u{1b}d"');
    assert.match(answer, /^[\x20-\x7e]+$/);
    assert.equal(wave(answer), 'a\nb\rc\0\x1bd');
});

test('blanks between tokens mean nothing', async () => {
    assert.deepEqual(wave(await call('echo-matrix', '[ [1,2] ,[ ] , [ 3 ] ]')), [[1n, 2n], [], [3n]]);
    assert.deepEqual(wave(await call('echo-point', '{ x :1 , y: 2 }')), wave(await call('echo-point', '{x: 1, y: 2}')));
});

test('strings and lists of a mebibyte come back whole', async () => {
    const text = 'Grüße an alle! '.repeat(64 * 1024);
    assert.equal(wave(await call('echo-string', quoted(text))), text);
    const bytes = `[${Array.from({ length: 1 << 20 }, (_, i) => i * 7 % 256).join(', ')}]`;
    assert.equal((await call('echo-bytes', bytes)).replaceAll(' ', ''), bytes.replaceAll(' ', ''));
    const words = Array.from({ length: 20_000 }, (_, i) => `w${i}`.repeat(i % 7));
    assert.deepEqual(wave(await call('echo-strings', `[${words.map(quoted).join(', ')}]`)), words);
});

test('lists of records of lists nest by the thousand', async () => {
    const people = Array.from({ length: 500 }, (_, i) => person(`p${i}`, i % 256, i % 3 ? `some("n${i}")` : 'none', Array.from({ length: i % 5 }, (_, j) => `t${j}`)));
    const text = `[${Array.from({ length: 4 }, (_, i) => team(`team ${i}`, people, i, -i)).join(', ')}]`;
    assert.deepEqual(asFloats(wave(await call('echo-teams', text))), asFloats(wave(text)));
});

test('a long string fits into one argument of the command line', () => {
    const text = 'x☂'.repeat(25_000);
    const { status, stdout, stderr } = argv('echo-string', quoted(text));
    assert.equal(status, 0, stderr);
    assert.equal(wave(stdout.trimEnd()), text);
});

test('sixteen flat parameters and twenty in memory arrive each in its place', async () => {
    assert.equal(Number(await call('sum-sixteen', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.5, true, "'a'", 13, 14, 15, 16)), 211.5);
    const twenty = [1, 2, 3, 4, -5, 6, 7, 8, 9, 10.5, true, "'a'", '"text"', '[1, 2]', 'some(5)', 'at({x: 1, y: 2})', 100];
    const { tuple: [sum, text] } = wave(await call('sum-twenty', ...twenty));
    assert.deepEqual([Number(sum), text], [258.5, 'text']);
    const { status, stdout } = argv('sum-sixteen', '1', '2', '3', '4', '-5', '-6', '-7', '-8', '9', '10.5', 'false', "'b'", '13', '14', '15', '16');
    assert.equal(status, 0);
    assert.equal(Number(stdout), 159.5);
});

test('a function without parameters gives several values, one without a result an empty line', async () => {
    assert.equal((await call('several')).replaceAll(' ', ''), '(255,-9223372036854775808,"several",[1,2,65535])');
    assert.equal(await call('nothing'), '');
    const { status, stdout } = argv('nothing');
    assert.equal(status, 0);
    assert.equal(stdout.trim(), '');
});

test('an instance lives across lines, and ends with the process', async () => {
    await call('remember', '"kept"');
    await call('echo-string', '"something else"');
    assert.equal(await call('recall'), '"kept"');
    assert.equal(argv('recall').stdout.trimEnd(), '""');
});

/** Texts that do not fit, each with the offset of what is wrong in it where only one place can be meant. */
const unfit = {
    'echo-bool': [['1', 0], ['True', 0], ['"true"', 0]],
    'echo-u8': [['256', 0], ['-1', 0], ['1.5'], ['0x10'], ['01'], ['"1"', 0], ['1 2', 2], ['99999999999999999999999', 0], ['+1', 0]],
    'echo-u32': [['4294967296', 0]],
    'echo-u64': [['18446744073709551616', 0], ['-1', 0]],
    'echo-s8': [['128', 0], ['-129', 0], ['-', 0]],
    'echo-s64': [['9223372036854775808', 0], ['-9223372036854775809', 0]],
    'echo-f64': [['1.', undefined], ['.5', 0], ['infinity', 0], ['"1"', 0], ['1e', undefined]],
    'echo-char': [["''"], ["'ab'"], ["'\\u{d800}'"], ["'\\u{110000}'"], ["'a"], ['"a"', 0], ['a', 0]],
    'echo-string': [['abc', 0], ['"open'], ['"\\q"', undefined], ['"\\u{d800}"'], ['"\\u{110000}"'], ['"\\u{}"'], ['"a" "b"', 4], ["'a'", 0]],
    'echo-bytes': [['[1, 2', 5], ['[1 2]', 3], ['[256]', 1], ['[1, x]', 4], ['(1)', 0], ['1', 0]],
    'echo-matrix': [['[[1, 2], [3, 65536]]', 13], ['[1]', 1]],
    'echo-point': [['{x: 1}'], ['{x: 1, y: 2, z: 3}', 13], ['{x: 1, x: 2, y: 3}', 7], ['{x: 1, y: }', 10], ['{x 1, y: 2}', 3], ['[1, 2]', 0], ['{}']],
    'echo-person': [[person('a', 256, 'none', []), 17], ['{name: "a", age: 1, nick: none, tags: [1]}', 39]],
    'echo-tuple': [['(1, "a", 2.5)'], ['(1, "a", 2.5, -3, 4)'], ['(1, 2, 3, 4)', 4]],
    'echo-shape': [['circle', 0], ['number'], ['nothing(1)'], ['number("a")', 7], ['text()'], ['number(1'], ['NUMBER(1)', 0]],
    'echo-colour': [['purple', 0], ['red(1)'], ['0', 0]],
    'echo-rights': [['{fly}', 1], ['{read, read}', 7], ['{read', 5], ['read', 0], ['[read]', 0]],
    'echo-option': [['some'], ['some()'], ['none(1)'], ['some(1, 2)'], ['some(some(1))', 5]],
    'echo-result': [['ok'], ['err(1)', 4], ['ok(-1)', 3], ['fine(1)', 0]],
    'echo-result-none': [['ok(1)'], ['none', 0]],
};

for (const [fn, cases] of Object.entries(unfit))
    test(`${fn} refuses texts that do not fit, and the instance goes on`, async () => {
        const before = await ask('recall');
        for (const [text, offset] of cases) {
            assert.match(await ask(fn, text), /^error: ./, text);
            const { status, signal, stdout, stderr } = argv(fn, text);
            assert.equal(status, 1, `${text}: ended with ${signal ?? status}: ${stdout}${stderr}`);
            assert.equal(stdout, '', text);
            if (offset !== undefined) assert.match(stderr, new RegExp(`\\b${offset}\\b`), `${text}: the offset ${offset} is not in: ${stderr}`);
        }
        assert.equal(await ask('recall'), before);
    });

test('bytes that are not UTF-8 are refused', async () => {
    const raw = Buffer.concat([Buffer.from(`${API}.{echo-string}("a`), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from('")')]);
    const done = run(program, ['--ephemeral', 'invoke', '--stdin'], { input: Buffer.concat([raw, Buffer.from(`\n${API}.{echo-u8}(7)\n`)]) });
    assert.equal(done.status, 0, done.stderr);
    assert.match(done.stdout, /^error: .*\n7\n$/);
});

test('too few and too many arguments are named as such', async () => {
    for (const [fn, ...values] of [['echo-u8'], ['echo-u8', 1, 2], ['nothing', 1], ['sum-sixteen', 1, 2, 3], ['echo-string', '"a"', '"b"']]) {
        assert.match(await ask(fn, ...values), /^error: .*(argument|parameter)/, `${fn} ${values}`);
        const { status, stdout, stderr } = argv(fn, ...values.map(String));
        assert.equal(status, 1, `${fn} ${values}: ${stderr}`);
        assert.match(stderr, /argument|parameter/);
        assert.equal(stdout, '');
    }
});

test('each word of the command line is one value', () => {
    for (const [fn, ...words] of [['echo-u8', '1, 2'], ['echo-bytes', '[1', '2]'], ['echo-string', '"a', 'b"'], ['sum-sixteen', Array(16).fill('1').join(', ')],
        ['echo-u8', '1 // one', '2'], ['echo-u8', ''], ['nothing', '']]) {
        const { status, stdout, stderr } = argv(fn, ...words);
        assert.equal(status, 1, `${fn} ${words.join(' | ')}: ${stdout}`);
        assert.match(stderr, /argument \d+, at \d+: ./);
    }
});

test('the message counts from the word that does not fit', () => {
    const words = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10.5', 'true', "'a'", '13', '14', '15x', '16'];
    assert.match(argv('sum-sixteen', ...words).stderr, /argument 15, at 0: ./);
});

test('an unknown function is named, on a line and on the command line', async () => {
    for (const fn of [`${API}.{echo-u128}`, 'demo:echo/other@1.0.0.{echo-u8}', 'demo:echo/api@2.0.0.{echo-u8}', 'echo-u8x', `${API}.{ECHO-U8}`]) {
        const name = /[a-zA-Z0-9-]+(?=}?$)/.exec(fn)[0];
        assert.match(await session.ask(`${fn}(1)`), new RegExp(`^error: .*${name}`), fn);
        const { status, stderr, stdout } = run(program, ['--ephemeral', 'invoke', fn, '1']);
        assert.equal(status, 1, `${fn}: ${stderr}`);
        assert.match(stderr, new RegExp(name));
        assert.equal(stdout, '');
    }
});

test('a line that is no call is an error of its own, and the next one is answered', async () => {
    for (const line of ['(', ')', '{}', 'echo', `${API}.{echo-u8}`, `${API}.{echo-u8}(1`, `${API}.{echo-u8}(1))`, `${API}.{echo-u8(1)`, `${API}.{}(1)`,
        '.{echo-u8}(1)', '\u0001', '☂'.repeat(1000), '('.repeat(5000), `${API}.{echo-matrix}(${'['.repeat(5000)}`, `${API}.{echo-option-option}(${'some('.repeat(5000)}`])
        assert.match(await session.ask(line), /^error: ./, line.slice(0, 80));
    assert.equal(await call('echo-u8', '9'), '9');
});

test('the last line needs no line end', () => {
    const { status, stdout } = run(program, ['--ephemeral', 'invoke', '--stdin'], { input: `${API}.{echo-u8}(1)\n${API}.{echo-u8}(2)` });
    assert.equal(status, 0);
    assert.equal(stdout, '1\n2\n');
});

// tally.wit in JavaScript. The engines differ in how one asks them for random numbers, the time and output: `host` has these.
const items = [];
const progress = { steps: 0, digest: 1, mixed: 0 };

function spin(rounds) {
    let digest = progress.digest;
    for (let i = 0; i < rounds; i++) {
        digest ^= digest << 13;
        digest ^= digest >>> 17;
        digest ^= digest << 5;
    }
    progress.digest = digest;
}

function mix(value) {
    progress.mixed = Math.imul(progress.mixed ^ value, 0x9e3779b1);
}

/** The exported interface; host: { random() and time(): numbers, print(line) } */
export function tally(host) {
    return {
        add(item) {
            items.push(item);
            return items.reduce((sum, { amount }) => (sum + amount) | 0, 0);
        },
        items() {
            return items;
        },
        describe(title) {
            return `${title}: ${items.map(({ name, amount }) => `${name}=${amount}`).join(', ')}`;
        },
        turn(numbers) {
            return Array.from(numbers, (number) => (number * 2) | 0).reverse();
        },
        work(steps, rounds) {
            for (let i = 0; i < steps; i++) {
                spin(rounds);
                mix(host.random());
                mix(host.time());
                progress.steps++;
            }
            return progress;
        },
        say(text) {
            host.print(text);
        },
    };
}

// For componentize-js, whose engine has the interfaces of the web.
import { tally } from './tally.js';

export const api = tally({
    random: () => crypto.getRandomValues(new Uint32Array(1))[0],
    time: () => Date.now(),
    print: (line) => console.log(line),
});

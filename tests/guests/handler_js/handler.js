// A handler of HTTP requests in JavaScript (StarlingMonkey), over wasi:http itself: /hello answers, /echo sends the body back, /count says how
// often this instance was asked.
import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from 'wasi:http/types@0.2.12';

let requests = 0;

function answer(out, status, write, headers = []) {
    const response = new OutgoingResponse(Fields.fromList(headers.map(([name, value]) => [name, new TextEncoder().encode(value)])));
    response.setStatusCode(status);
    const body = response.body();
    ResponseOutparam.set(out, { tag: 'ok', val: response });
    const stream = body.write();
    write((bytes) => stream.blockingWriteAndFlush(bytes));
    stream[Symbol.dispose]();
    OutgoingBody.finish(body, undefined);
}

function echo(request, write) {
    const body = request.consume(), stream = body.stream();
    try {
        for (;;) write(stream.blockingRead(4096n));
    } catch (error) {
        if (error.payload?.tag !== 'closed') throw error;
    }
}

export const incomingHandler = {
    handle(request, out) {
        requests++;
        const path = request.pathWithQuery(), say = (text) => (write) => write(new TextEncoder().encode(text));
        if (path === '/hello') answer(out, 200, say('hello\n'), [['x-method', request.method().tag]]);
        else if (path === '/count') answer(out, 200, say(String(requests)));
        else if (path === '/echo') answer(out, 200, (write) => echo(request, write));
        else answer(out, 404, say('no such path\n'));
    },
};

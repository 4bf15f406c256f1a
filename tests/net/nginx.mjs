// nginx as anybody runs it, but unprivileged, on ports of its own, from a folder that goes away.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const programs = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'];

/** Ports that nobody listens on at this moment. */
async function freePorts(count) {
    const servers = await Promise.all(Array.from({ length: count }, () => new Promise((tell, fail) => {
        const server = createServer().on('error', fail).listen(0, '127.0.0.1', () => tell(server));
    })));
    const ports = servers.map((server) => server.address().port);
    await Promise.all(servers.map((server) => new Promise((tell) => server.close(tell))));
    return ports;
}

const answers = (port) => new Promise((tell) => {
    const socket = connect(port, '127.0.0.1').on('connect', () => { socket.destroy(); tell(true); }).on('error', () => tell(false));
});

function configuration(folder, ports, certificates, origin) {
    const locations = `
        root ${folder}/www;
        location / { default_type text/plain; }
        location /origin/ { proxy_pass http://127.0.0.1:${origin}/; proxy_http_version 1.1; proxy_request_buffering off; }
        location = /accept { return 204; }`;
    const tls = (port, { key, certificate }, http2 = '') => `
    server {
        listen 127.0.0.1:${port} ssl ${http2};
        ssl_certificate ${certificate};
        ssl_certificate_key ${key};${locations}
    }`;
    return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 512; }
http {
    log_format seen '$connection $server_protocol $request_method $request_uri $status $http_x_request_id';
    access_log ${folder}/access.log seen;
    client_body_temp_path ${folder}/body;
    proxy_temp_path ${folder}/proxy;
    fastcgi_temp_path ${folder}/fastcgi;
    uwsgi_temp_path ${folder}/uwsgi;
    scgi_temp_path ${folder}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000;
    server {
        listen 127.0.0.1:${ports.plain};${locations}
    }${tls(ports.tls, certificates.right)}${tls(ports.http2, certificates.right, 'http2')}${tls(ports.wrongHost, certificates.wrongHost)}${
    tls(ports.expired, certificates.expired)}${tls(ports.selfSigned, certificates.selfSigned)}
}
`;
}

function readLog(folder) {
    return readFileSync(join(folder, 'access.log'), 'utf8').split('\n').slice(0, -1).map((line) => {
        const [connection, protocol, method, uri, status, id] = line.split(' ');
        return { connection, protocol, method, uri, status: Number(status), id };
    });
}

/**
 * Starts nginx over these files, {path: bytes}; `origin` is the port of the server behind /origin/.
 * { plain, tls, http2, wrongHost, expired, selfSigned: authorities; seen(atLeast): its access log, [{connection, protocol, method,
 * uri, status, id}], when there are so many lines (it writes them when the answer has gone); stop() }
 */
export async function startNginx(folder, certificates, { files = {}, origin = 9 } = {}) {
    const program = programs.find(existsSync);
    if (!program) throw new Error('nginx is missing: run tools/deps.sh test');
    mkdirSync(join(folder, 'www'), { recursive: true });
    for (const [path, bytes] of Object.entries(files)) writeFileSync(join(folder, 'www', path), bytes);
    const names = ['plain', 'tls', 'http2', 'wrongHost', 'expired', 'selfSigned'];
    const free = await freePorts(names.length);
    const ports = Object.fromEntries(names.map((name, i) => [name, free[i]]));
    const config = join(folder, 'nginx.conf');
    writeFileSync(config, configuration(folder, ports, certificates, origin));
    const child = spawn(program, ['-p', folder, '-e', join(folder, 'error.log'), '-c', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text));
    const closed = new Promise((tell) => child.on('close', tell));
    while (!(await answers(ports.plain))) {
        if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${complaint}`);
        await sleep(10);
    }
    return {
        ...Object.fromEntries(names.map((name) => [name, `localhost:${ports[name]}`])),
        async seen(atLeast = 0) {
            for (let patience = 200; readLog(folder).length < atLeast && patience > 0; patience--) await sleep(10);
            return readLog(folder);
        },
        async stop() {
            child.kill('SIGKILL');
            await closed;
        },
    };
}

// A certificate authority and servers' certificates, made anew for each test run.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../harness.mjs';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

const openssl = (...args) => must('openssl', args, { env: { ...process.env, OPENSSL_CONF: '/dev/null' } });

/** Signed by the authority in the folder: for these names, for so many days (below 0: it ended before it began). */
function signed(folder, name, names, days) {
    const path = (end) => join(folder, `${name}.${end}`);
    const config = path('cnf');
    writeFileSync(config, `[req]\ndistinguished_name = dn\n[dn]\n[ext]\nsubjectAltName = ${names}\n`);
    openssl('req', ...KEY, '-config', config, '-subj', `/CN=${name}`, '-keyout', path('key'), '-out', path('csr'));
    openssl('x509', '-req', '-in', path('csr'), '-CA', join(folder, 'ca.pem'), '-CAkey', join(folder, 'ca.key'), '-CAcreateserial',
        '-days', String(days), '-extfile', config, '-extensions', 'ext', '-out', path('pem'));
    return { key: path('key'), certificate: path('pem') };
}

/**
 * { ca: path of the authority's certificate, right, wrongHost, expired, selfSigned: each {key, certificate} }; `right` is for
 * localhost and 127.0.0.1.
 */
export function makeCertificates(folder) {
    const ca = join(folder, 'ca.pem'), config = join(folder, 'ca.cnf');
    writeFileSync(config, '[req]\ndistinguished_name = dn\n[dn]\n[ext]\nbasicConstraints = critical,CA:TRUE\n'
        + '[self]\nsubjectAltName = DNS:localhost,IP:127.0.0.1\n');
    const root = (name, section) => openssl('req', '-x509', ...KEY, '-config', config, '-extensions', section, '-days', '2',
        '-subj', `/CN=${name}`, '-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.pem`));
    root('ca', 'ext');
    root('self', 'self');
    const here = 'DNS:localhost,IP:127.0.0.1';
    return {
        ca,
        right: signed(folder, 'right', here, 2),
        wrongHost: signed(folder, 'wrong', 'DNS:elsewhere.test', 2),
        expired: signed(folder, 'expired', here, -1),
        selfSigned: { key: join(folder, 'self.key'), certificate: join(folder, 'self.pem') },
    };
}

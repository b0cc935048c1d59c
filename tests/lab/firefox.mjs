// Headless Firefox, driven by its Marionette: JSON arrays with their lengths in front, over a socket.
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {connect} from 'node:net';
import {Browser} from './browser.mjs';

const KEYS = {Tab: '\ue004', ' ': ' ', ArrowLeft: '\ue012', ArrowUp: '\ue013', ArrowRight: '\ue014', ArrowDown: '\ue015'};
const PREFERENCES = {
    'marionette.port': 0, // a free one, which it writes into its profile
    'browser.dom.window.dump.enabled': true,
    'devtools.console.stdout.content': true,
    'media.navigator.permission.disabled': true,
    'media.navigator.streams.fake': true,
    'datareporting.policy.dataSubmissionEnabled': false,
};

export class Firefox extends Browser {
    constructor() {
        super('firefox-esr');
        this.rest = Buffer.alloc(0);
    }

    async begin(profile) {
        rmSync(profile, {recursive: true, force: true}); // with the port of one that has ended
        mkdirSync(profile, {recursive: true});
        writeFileSync(`${profile}/user.js`, Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${value});\n`).join(''));
        this.launch(['--headless', '--no-remote', '--marionette', '--profile', profile], ['ignore', 'pipe', 'pipe']);
        for (const stream of [this.process.stdout, this.process.stderr])
            stream.setEncoding('utf8').on('data', text => this.notice(text));
        await Promise.race([this.connect(`${profile}/MarionetteActivePort`), this.ended]);
        await this.send('WebDriver:NewSession', {capabilities: {alwaysMatch: {timeouts: {script: 600000, pageLoad: 300000}}}});
    }

    async connect(file) {
        for (let port = ''; !port;) {
            await new Promise(resolve => setTimeout(resolve, 100));
            port = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
            if (port)
                this.socket = connect(Number(port), '127.0.0.1');
        }
        await new Promise((resolve, reject) => this.socket.on('error', reject).on('data', bytes => {
            this.rest = Buffer.concat([this.rest, bytes]);
            this.receive(resolve);
        }));
    }

    // Its first message is a greeting, an object.
    receive(greeted) {
        for (let colon = this.rest.indexOf(':'); colon > 0; colon = this.rest.indexOf(':')) {
            const end = colon + 1 + Number(this.rest.subarray(0, colon));
            if (this.rest.length < end)
                return;
            const message = JSON.parse(this.rest.subarray(colon + 1, end));
            this.rest = this.rest.subarray(end);
            if (Array.isArray(message))
                this.answer(...message.slice(1));
            else
                greeted();
        }
    }

    // What pages say, among what the browser says: parts of it have consoles with names.
    notice(text) {
        this.messages.push(...text.split('\n').filter(line => /^console\.\w+: (?!\w+: )|JavaScript error: (file|blob):/.test(line)));
    }

    send(method, params = {}) {
        return this.ask(method, id => {
            const text = JSON.stringify([0, id, method, params]);
            this.socket.write(`${Buffer.byteLength(text)}:${text}`);
        });
    }

    navigate(url) {
        return this.send('WebDriver:Navigate', {url});
    }

    async evaluate(expression) {
        return (await this.send('WebDriver:ExecuteScript', {script: `return (${expression});`, args: []})).value;
    }

    act(id, type, actions) {
        return this.send('WebDriver:PerformActions', {actions: [{id, type, actions, ...(type === 'pointer' ? {parameters: {pointerType: 'mouse'}} : {})}]});
    }

    stroke(points) {
        const moves = points.map(([x, y]) => ({type: 'pointerMove', duration: 0, x, y, origin: 'viewport'}));
        return this.act('mouse', 'pointer', [moves[0], {type: 'pointerDown', button: 0}, ...moves.slice(1), {type: 'pointerUp', button: 0}]);
    }

    press(key) {
        return this.act('keys', 'key', [{type: 'keyDown', value: KEYS[key]}, {type: 'keyUp', value: KEYS[key]}]);
    }
}

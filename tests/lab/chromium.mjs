// Headless Chromium, driven over its debugging pipe: JSON messages that end with NUL, written to its
// descriptor 3 and read from its descriptor 4.
import {Browser} from './browser.mjs';

const KEYS = {Tab: 9, ' ': 32, ArrowLeft: 37, ArrowUp: 38, ArrowRight: 39, ArrowDown: 40};

export class Chromium extends Browser {
    constructor() {
        super('chromium');
        this.rest = '';
    }

    async begin(profile) {
        this.launch(['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', '--use-fake-ui-for-media-stream',
            '--use-fake-device-for-media-stream', `--user-data-dir=${profile}`, 'about:blank'], ['ignore', 'ignore', 'pipe', 'pipe', 'pipe']);
        this.process.stdio[3].on('error', () => {});
        this.process.stdio[4].setEncoding('utf8').on('data', text => this.receive(text));
        const {targetInfos} = await this.send('Target.getTargets');
        const {targetId} = targetInfos.find(target => target.type === 'page');
        this.session = (await this.send('Target.attachToTarget', {targetId, flatten: true})).sessionId;
        for (const domain of ['Page', 'Runtime', 'Network', 'Log'])
            await this.send(`${domain}.enable`);
    }

    send(method, params = {}, sessionId = this.session) {
        return this.ask(method, id => this.process.stdio[3].write(JSON.stringify({id, method, params, ...(sessionId ? {sessionId} : {})}) + '\0'));
    }

    receive(text) {
        const parts = (this.rest + text).split('\0');
        this.rest = parts.pop();
        for (const part of parts) {
            const message = JSON.parse(part);
            if (message.id)
                this.answer(message.id, message.error, message.result);
            else
                this.notice(message);
        }
    }

    notice({method, params}) {
        if (method === 'Runtime.consoleAPICalled')
            this.messages.push(params.args.map(argument => argument.value ?? argument.description).join(' '));
        if (method === 'Runtime.exceptionThrown')
            this.messages.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
        if (method === 'Log.entryAdded')
            this.messages.push(params.entry.text);
        if (method === 'Network.requestWillBeSent' && !/^(file|data|blob|about):/.test(params.request.url))
            this.requests.push(params.request.url);
    }

    navigate(url) {
        return this.send('Page.navigate', {url});
    }

    // The value of an expression, which may be a promise.
    async evaluate(expression) {
        const {result, exceptionDetails} = await this.send('Runtime.evaluate', {expression, awaitPromise: true, returnByValue: true});
        if (exceptionDetails)
            throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
    }

    async stroke(points) {
        const mouse = (type, [x, y]) => this.send('Input.dispatchMouseEvent',
            {type, x, y, button: 'left', buttons: type === 'mouseReleased' ? 0 : 1, clickCount: 1});
        await mouse('mousePressed', points[0]);
        for (const point of points.slice(1))
            await mouse('mouseMoved', point);
        await mouse('mouseReleased', points.at(-1));
    }

    async press(key) {
        for (const type of ['keyDown', 'keyUp'])
            await this.send('Input.dispatchKeyEvent', {type, key, windowsVirtualKeyCode: KEYS[key]});
    }
}

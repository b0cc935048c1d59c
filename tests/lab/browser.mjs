// Headless Chromium, driven over its debugging pipe: JSON messages that end with NUL, written to its
// descriptor 3 and read from its descriptor 4. Needs nothing but node.
import {spawn} from 'node:child_process';

export class Browser {
    static async start(profile) {
        const browser = new Browser();
        browser.process = spawn('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe',
            `--user-data-dir=${profile}`, 'about:blank'], {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
        Object.assign(browser, {waiting: new Map(), next: 0, messages: [], requests: [], rest: ''});
        browser.process.stdio[4].setEncoding('utf8').on('data', text => browser.receive(text));
        const {targetInfos} = await browser.send('Target.getTargets');
        const {targetId} = targetInfos.find(target => target.type === 'page');
        browser.session = (await browser.send('Target.attachToTarget', {targetId, flatten: true})).sessionId;
        for (const domain of ['Page', 'Runtime', 'Network', 'Log'])
            await browser.send(`${domain}.enable`);
        return browser;
    }

    send(method, params = {}) {
        return new Promise((resolve, reject) => {
            this.waiting.set(++this.next, {resolve, reject, method});
            this.process.stdio[3].write(JSON.stringify({id: this.next, method, params, sessionId: this.session}) + '\0');
        });
    }

    receive(text) {
        const parts = (this.rest + text).split('\0');
        this.rest = parts.pop();
        for (const part of parts) {
            const message = JSON.parse(part), asked = this.waiting.get(message.id);
            this.waiting.delete(message.id);
            if (asked && message.error)
                asked.reject(new Error(`${asked.method}: ${message.error.message}`));
            else if (asked)
                asked.resolve(message.result);
            else
                this.notice(message);
        }
    }

    // What a page must not do: write to the console, throw, ask the network.
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

    async open(path, milliseconds = 120000) {
        await this.send('Page.navigate', {url: 'about:blank'});
        await this.send('Page.navigate', {url: `file://${path}`});
        await this.until("document.documentElement?.dataset.state === 'ready'", milliseconds);
    }

    // The value of an expression, which may be a promise.
    async evaluate(expression) {
        const {result, exceptionDetails} = await this.send('Runtime.evaluate', {expression, awaitPromise: true, returnByValue: true});
        if (exceptionDetails)
            throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
    }

    async until(expression, milliseconds = 30000) {
        for (const end = Date.now() + milliseconds; Date.now() < end;) {
            if (await this.evaluate(expression))
                return;
            await new Promise(resolve => setTimeout(resolve, 50));
        }
        throw new Error(`waited ${milliseconds} ms for: ${expression}`);
    }

    async mouse(type, x, y) {
        await this.send('Input.dispatchMouseEvent', {type, x, y, button: 'left', buttons: type === 'mouseReleased' ? 0 : 1, clickCount: 1});
    }

    // Draws lines through points, relative to an element.
    async draw(selector, points) {
        const place = `document.querySelector(${JSON.stringify(selector)})`;
        const [left, top] = await this.evaluate(`(${place}.scrollIntoView(), [${place}.getBoundingClientRect().left, ${place}.getBoundingClientRect().top])`);
        const at = points.map(([x, y]) => [left + x, top + y]);
        await this.mouse('mousePressed', ...at[0]);
        for (const [x, y] of at.slice(1))
            await this.mouse('mouseMoved', x, y);
        await this.mouse('mouseReleased', ...at.at(-1));
    }

    click(selector) {
        return this.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
    }

    stop() {
        this.process.kill();
    }
}

// What the tests do in a browser, whichever it is: chromium.mjs and firefox.mjs know how each is
// driven, with nothing but node.
import {spawn} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';

const START = 300000, TICKS = 100; // milliseconds in which a browser must start; clock ticks a second, on Linux

const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

export class Browser {
    constructor(command) {
        // What a page must not do: write to the console, throw, ask the network.
        Object.assign(this, {command, waiting: new Map(), next: 0, messages: [], requests: [], complaints: ''});
    }

    // Ends well or tells what is wrong; begin(profile) is that of the browser.
    async start(profile) {
        const late = pause(START).then(() => { throw new Error(`${this.command} has not started within ${START / 1000} s: ${this.complaints}`); });
        await Promise.race([this.begin(profile), late]);
    }

    launch(words, stdio) {
        this.process = spawn(this.command, words, {stdio});
        this.process.stderr.setEncoding('utf8').on('data', text => { this.complaints = (this.complaints + text).slice(-2000); });
        this.ended = new Promise((resolve, reject) => {
            this.process.on('error', reject);
            this.process.on('exit', (status, signal) => reject(new Error(`${this.command} ended (${status ?? signal}): ${this.complaints}`)));
        });
        this.ended.catch(() => {});
    }

    // The answer to a command; write(id) sends it.
    ask(method, write) {
        const answer = new Promise((resolve, reject) => {
            this.waiting.set(++this.next, {resolve, reject, method});
            write(this.next);
        });
        return Promise.race([answer, this.ended]);
    }

    answer(id, error, result) {
        const {resolve, reject, method} = this.waiting.get(id);
        this.waiting.delete(id);
        if (error)
            reject(new Error(`${method}: ${error.message}`));
        else
            resolve(result);
    }

    async open(path) {
        await this.leave();
        await this.navigate(`file://${path}`);
        await this.until("document.documentElement?.dataset.state === 'ready' || document.querySelector('#notice.bad') !== null", 300000);
        const wrong = await this.evaluate("document.querySelector('#notice.bad')?.textContent ?? ''");
        if (wrong)
            throw new Error(wrong);
    }

    // What the page has loaded is known until it goes.
    async leave() {
        const loaded = await this.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)");
        this.requests.push(...loaded.filter(name => !/^(file|data|blob|about):/.test(name)));
        await this.navigate('about:blank');
    }

    // Waits on a condition, however slow the machine is; a page that threw cannot come to it.
    async until(expression, milliseconds = 120000) {
        const said = this.messages.length;
        for (const end = Date.now() + milliseconds; Date.now() < end;) {
            if (await this.evaluate(expression))
                return;
            if (this.messages.length > said)
                throw new Error(this.messages.at(-1));
            await pause(50);
        }
        throw new Error(`waited ${milliseconds} ms for: ${expression}`);
    }

    // Draws lines through points, relative to an element.
    async draw(selector, points) {
        const box = `document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect()`;
        await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).scrollIntoView({block: 'center'})`);
        const {x: left, y: top} = await this.evaluate(`(({x, y}) => ({x, y}))(${box})`);
        await this.stroke(points.map(([x, y]) => [Math.round(left + x), Math.round(top + y)]));
    }

    click(selector) {
        return this.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
    }

    // A field's new value, as if it had been typed.
    type(selector, value) {
        return this.evaluate(`(field => { field.value = ${JSON.stringify(value)}; for (const kind of ['input', 'change']) ` +
            `field.dispatchEvent(new Event(kind, {bubbles: true})); })(document.querySelector(${JSON.stringify(selector)}))`);
    }

    // Seconds of the processor that the browser has taken, with all its processes.
    seconds() {
        const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name)).flatMap(id => {
            try { // its name, in parentheses, may hold anything; then come its state and its parent
                const words = readFileSync(`/proc/${id}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
                return [{id: Number(id), parent: Number(words[1]), seconds: words.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS}];
            } catch { // it has ended
                return [];
            }
        });
        const sum = parent => processes.filter(one => one.parent === parent).reduce((all, one) => all + one.seconds + sum(one.id), 0);
        return processes.find(one => one.id === this.process.pid).seconds + sum(this.process.pid);
    }

    stop() {
        this.process?.kill();
    }
}

// What the tests do in a browser, whichever it is: chromium.mjs and firefox.mjs know how each is
// driven, with nothing but node.
import {spawn} from 'node:child_process';

const pause = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

export class Browser {
    constructor() {
        // What a page must not do: write to the console, throw, ask the network.
        Object.assign(this, {waiting: new Map(), next: 0, messages: [], requests: []});
    }

    launch(command, words, stdio) {
        this.process = spawn(command, words, {stdio});
        this.ended = new Promise((resolve, reject) => this.process.on('exit', status => reject(new Error(`${command} ended (${status})`))));
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
        await this.navigate('about:blank');
        await this.navigate(`file://${path}`);
        await this.until("document.documentElement?.dataset.state === 'ready'", 300000);
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

    stop() {
        this.process.kill();
    }
}

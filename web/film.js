// Kernels over time: a film of the first layer that has any.
import {find, range} from './dom.js';
import {paintInput, paintMap} from './colour.js';
import {say} from './words.js';

const FRAMES = 120, PAUSE = 150; // frames of the film, at most; milliseconds of each

export class Film {
    constructor() {
        find('film-time').addEventListener('input', event => this.show(Number(event.target.value)));
        find('film-play').addEventListener('click', () => this.play());
        this.reset();
    }

    reset() {
        clearInterval(this.timer);
        this.frames = [];
        find('film').hidden = true;
    }

    // One more frame. Of a long film, every other one is kept, and the newest.
    add(weights, step) {
        const last = Number(find('film-time').value) >= this.frames.length - 1;
        this.frames.push({weights, step});
        if (this.frames.length > FRAMES)
            this.frames = this.frames.filter((frame, i) => i % 2 === 0 || i === this.frames.length - 1);
        find('film').hidden = false;
        find('film-time').max = this.frames.length - 1;
        if (last)
            this.show(this.frames.length - 1);
    }

    // Filters side by side, all in one scale: in colour where they read a colour picture (grey is
    // zero), else the first input channel of each.
    show(i) {
        const {weights: {dims: [filters, inputs, rows, columns], values}, step} = this.frames[i], canvas = find('film-picture'), area = rows * columns;
        const wide = Math.ceil(Math.sqrt(2 * filters)), width = wide * (columns + 1) - 1, height = Math.ceil(filters / wide) * (rows + 1) - 1;
        const colour = inputs === 3, [low, high] = range(values), largest = Math.max(-low, high);
        Object.assign(canvas, {width, height});
        const context = canvas.getContext('2d'), kernel = new OffscreenCanvas(columns, rows);
        for (let f = 0; f < filters; f++) {
            const own = values.subarray(f * inputs * area, (f * inputs + (colour ? 3 : 1)) * area);
            if (colour)
                paintInput(kernel, own, {channels: 3, rows, columns}, [-largest, largest]);
            else
                paintMap(kernel, own, rows, columns, [low, high]);
            context.drawImage(kernel, f % wide * (columns + 1), Math.floor(f / wide) * (rows + 1));
        }
        canvas.style.width = `${Math.min(width * 14, 640)}px`;
        find('film-time').value = i;
        find('film-step').textContent = say('afterSteps', step);
        canvas.setAttribute('aria-label', `${say('kernels')}: ${say('afterSteps', step)}`);
    }

    play() {
        clearInterval(this.timer);
        let i = 0;
        this.timer = setInterval(() => (i < this.frames.length ? this.show(i++) : clearInterval(this.timer)), PAUSE);
    }
}

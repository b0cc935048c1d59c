// The picture: drawn, chosen, dropped or pasted; and changed by shifts, turns and shuffles before
// the network sees it.
import {find, range} from './dom.js';
import {paintInput} from './colour.js';

const SIDE = 280, PEN = 22, BOX = 20; // pixels of the canvas, of the pen; MNIST's digits fit 20 x 20

export class Picture {
    // onChange(): the picture is another one. prepare(rgba, width, height): the network's input.
    constructor(onChange, prepare) {
        this.canvas = find('draw');
        this.context = this.canvas.getContext('2d', {willReadFrequently: true});
        this.onChange = onChange;
        this.prepare = prepare;
        this.strokes = [];
        this.clear(false);
        this.listen();
    }

    setShape(shape) {
        const [channels, rows = 1, columns = 1] = shape;
        this.shape = {channels, rows, columns};
        find('as-data-row').hidden = !(channels === 1 && rows === 28 && columns === 28);
    }

    clear(tell = true) {
        this.context.fillStyle = '#000';
        this.context.fillRect(0, 0, SIDE, SIDE);
        Object.assign(this, {pixels: null, numbers: null, photo: false, down: false, strokes: [], dx: 0, dy: 0, turns: 0, shuffled: false});
        find('shuffle').setAttribute('aria-pressed', false);
        if (tell)
            this.onChange();
    }

    // ---- Drawing ----

    listen() {
        const canvas = this.canvas;
        const place = event => {
            const box = canvas.getBoundingClientRect();
            return [(event.clientX - box.left) * SIDE / box.width, (event.clientY - box.top) * SIDE / box.height].map(Math.round);
        };
        canvas.addEventListener('pointerdown', event => {
            canvas.setPointerCapture(event.pointerId);
            if (this.pixels || this.numbers)
                this.clear(false);
            this.strokes.push([place(event)]);
            this.drawStroke(this.strokes.at(-1));
            this.onChange();
        });
        canvas.addEventListener('pointermove', event => {
            if (!canvas.hasPointerCapture(event.pointerId))
                return;
            this.strokes.at(-1).push(place(event));
            this.drawStroke(this.strokes.at(-1).slice(-2));
            this.onChange();
        });
        canvas.addEventListener('keydown', event => this.onKey(event));
        for (const [id, dx, dy] of [['left', -1, 0], ['right', 1, 0], ['up', 0, -1], ['down', 0, 1]])
            find(id).addEventListener('click', () => this.change({dx: this.dx + dx, dy: this.dy + dy}));
        find('turn').addEventListener('click', () => this.change({turns: (this.turns + 1) % 4}));
        find('shuffle').addEventListener('click', () => this.change({shuffled: !this.shuffled}));
        find('clear').addEventListener('click', () => this.clear());
        find('as-data').addEventListener('change', () => this.onChange());
        find('file').addEventListener('change', event => event.target.files[0] && this.load(event.target.files[0]));
        this.listenToFiles();
    }

    listenToFiles() {
        addEventListener('dragover', event => event.preventDefault());
        addEventListener('drop', event => {
            event.preventDefault();
            const file = [...event.dataTransfer.files].find(one => one.type.startsWith('image/'));
            if (file)
                this.load(file);
        });
        addEventListener('paste', event => {
            const file = [...event.clipboardData.files].find(one => one.type.startsWith('image/'));
            if (file)
                this.load(file);
        });
    }

    // The pen of the keyboard: arrow keys move it, Space sets it down and lifts it.
    onKey(event) {
        const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], ' ': [0, 0]}, move = moves[event.key];
        if (!move)
            return;
        event.preventDefault();
        const inside = value => Math.max(0, Math.min(SIDE, value)), [x, y] = this.pen || [SIDE / 2, SIDE / 2];
        this.pen = [inside(x + 10 * move[0]), inside(y + 10 * move[1])];
        if (event.key !== ' ') {
            if (this.down)
                this.strokes.at(-1).push(this.pen);
        } else if (this.down) {
            this.down = false;
        } else {
            if (this.pixels || this.numbers)
                this.clear(false);
            this.down = true;
            this.strokes.push([this.pen]);
        }
        Object.assign(find('pen'), {hidden: false, className: this.down ? 'down' : ''});
        Object.assign(find('pen').style, {left: `${this.pen[0]}px`, top: `${this.pen[1]}px`});
        if (this.down) {
            this.drawStroke(this.strokes.at(-1).slice(-2));
            this.onChange();
        }
    }

    drawStroke(points) {
        Object.assign(this.context, {strokeStyle: '#fff', lineWidth: PEN, lineCap: 'round', lineJoin: 'round'});
        this.context.beginPath();
        this.context.moveTo(...points[0]);
        points.slice(points.length > 1 ? 1 : 0).forEach(point => this.context.lineTo(...point));
        this.context.stroke();
    }

    // Strokes as text for the address, and back: x,y in pixels; strokes are separated by semicolons.
    strokesText() {
        const text = this.strokes.map(stroke => stroke.map(point => point.join(',')).join('_')).join(';');
        return text.length < 4000 ? text : '';
    }

    setStrokes(text) {
        this.strokes = text.split(';').map(stroke => stroke.split('_').map(point => point.split(',').map(Number)))
            .filter(stroke => stroke.every(point => point.length === 2 && point.every(Number.isFinite)));
        this.strokes.forEach(stroke => this.drawStroke(stroke));
    }

    change(settings) {
        Object.assign(this, settings);
        find('shuffle').setAttribute('aria-pressed', this.shuffled);
        this.onChange();
    }

    // ---- Files and arrays ----

    async load(file) {
        const bitmap = await createImageBitmap(file);
        const scale = Math.min(1, 1024 / Math.max(bitmap.width, bitmap.height));
        const width = Math.max(1, Math.round(bitmap.width * scale)), height = Math.max(1, Math.round(bitmap.height * scale));
        const canvas = new OffscreenCanvas(width, height), context = canvas.getContext('2d');
        context.fillStyle = '#fff';
        context.fillRect(0, 0, width, height);
        context.drawImage(bitmap, 0, 0, width, height);
        this.setPixels(context.getImageData(0, 0, width, height));
    }

    // An ImageData. photo: of a camera, so a digit on it is found and centred like a drawing.
    setPixels(pixels, photo = false) {
        this.clear(false);
        Object.assign(this, {pixels, photo});
        const canvas = new OffscreenCanvas(pixels.width, pixels.height);
        canvas.getContext('2d').putImageData(pixels, 0, 0);
        this.context.drawImage(canvas, 0, 0, SIDE, SIDE);
        return this.onChange();
    }

    // Numbers that the network gets as they are.
    setNumbers(numbers) {
        this.clear(false);
        this.numbers = numbers;
        paintInput(this.canvas, numbers, this.shape, range(numbers));
        const small = new OffscreenCanvas(this.shape.columns, this.shape.rows);
        small.getContext('2d').drawImage(this.canvas, 0, 0);
        Object.assign(this.canvas, {width: SIDE, height: SIDE});
        this.context.imageSmoothingEnabled = false;
        this.context.drawImage(small, 0, 0, SIDE, SIDE);
        return this.onChange();
    }

    // The network's input, with all changes.
    async input() {
        if (this.numbers)
            return this.changed(this.numbers);
        let pixels = this.pixels || this.context.getImageData(0, 0, SIDE, SIDE);
        if ((!this.pixels || this.photo) && !find('as-data-row').hidden && find('as-data').checked)
            pixels = this.photo ? asDigit(...inkOf(pixels)) : asDigit(this.canvas, pixels);
        return this.changed(await this.prepared(pixels));
    }

    // Of a network that takes no pictures, or none before it is trained, zeros and why.
    async prepared(pixels) {
        const {channels, rows, columns} = this.shape, note = find('picture-note');
        try {
            const numbers = await this.prepare(pixels.data, pixels.width, pixels.height);
            note.textContent = '';
            return numbers;
        } catch (error) {
            note.textContent = error.message;
            return new Float32Array(channels * rows * columns);
        }
    }

    // What leaves at one edge enters at the other.
    changed(numbers) {
        const {channels, rows, columns} = this.shape, area = rows * columns;
        if (!this.dx && !this.dy && !this.turns && !this.shuffled)
            return numbers;
        const order = this.shuffled ? shuffledOrder(area) : null, out = new Float32Array(numbers.length);
        for (let y = 0; y < rows; y++)
            for (let x = 0; x < columns; x++) {
                let [sy, sx] = [modulo(y - this.dy, rows), modulo(x - this.dx, columns)];
                for (let i = 0; i < this.turns && rows === columns; i++)
                    [sy, sx] = [rows - 1 - sx, sy];
                const from = order ? order[sy * columns + sx] : sy * columns + sx;
                for (let c = 0; c < channels; c++)
                    out[c * area + y * columns + x] = numbers[c * area + from];
            }
        return out;
    }
}

const modulo = (a, n) => ((a % n) + n) % n;

// The same order each time: a linear congruential generator drives Fisher and Yates' shuffle.
function shuffledOrder(count) {
    const order = Array.from({length: count}, (none, i) => i);
    let state = 1;
    for (let i = count - 1; i > 0; i--) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const j = Math.floor(state / 2 ** 32 * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
}

// What is darker than the paper of a photograph, bright on black: a canvas and its pixels.
function inkOf({data, width, height}) {
    const grey = Float32Array.from({length: width * height}, (none, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3);
    const paper = grey.reduce((a, b) => a + b, 0) / grey.length, ink = paper - grey.reduce((a, b) => Math.min(a, b), 255);
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext('2d', {willReadFrequently: true});
    const pixels = context.createImageData(width, height);
    grey.forEach((value, i) => {
        const dark = ink > 0 ? (paper - value) / ink : 0; // 1: the darkest pixel
        pixels.data.fill(dark > 0.4 ? 255 * Math.min(1, (dark - 0.4) / 0.3) : 0, 4 * i, 4 * i + 3);
        pixels.data[4 * i + 3] = 255;
    });
    context.putImageData(pixels, 0, 0);
    return [canvas, pixels];
}

// As MNIST was made: the strokes scaled into 20 x 20 pixels, their centre of mass in the middle of
// 28 x 28 (LeCun et al. 1998).
function asDigit(canvas, pixels) {
    let [left, top, right, bottom] = [SIDE, SIDE, -1, -1];
    for (let y = 0; y < SIDE; y++)
        for (let x = 0; x < SIDE; x++)
            if (pixels.data[4 * (y * SIDE + x)] > 20) {
                [left, right] = [Math.min(left, x), Math.max(right, x)];
                [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
            }
    const small = new OffscreenCanvas(28, 28), context = small.getContext('2d', {willReadFrequently: true});
    context.fillStyle = '#000';
    context.fillRect(0, 0, 28, 28);
    if (right < 0)
        return context.getImageData(0, 0, 28, 28);
    const width = right - left + 1, height = bottom - top + 1, scale = BOX / Math.max(width, height);
    const draw = (x, y) => {
        context.fillRect(0, 0, 28, 28);
        context.drawImage(canvas, left, top, width, height, x, y, width * scale, height * scale);
        return context.getImageData(0, 0, 28, 28);
    };
    context.imageSmoothingQuality = 'high';
    const [x, y] = [14 - width * scale / 2, 14 - height * scale / 2], [cx, cy] = centre(draw(x, y));
    return draw(x + Math.round(14 - cx), y + Math.round(14 - cy));
}

function centre({data}) {
    let [sum, x, y] = [0, 0, 0];
    for (let i = 0; i < 28 * 28; i++) {
        sum += data[4 * i];
        x += data[4 * i] * (i % 28 + 0.5);
        y += data[4 * i] * (Math.floor(i / 28) + 0.5);
    }
    return [x / sum, y / sum];
}

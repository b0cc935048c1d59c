// The camera: its pictures go into the network while it is on; the last one stays.
import {find, make} from './dom.js';
import {say} from './words.js';

const SQUARE = 280; // pixels of the square in the middle that is taken

export class Camera {
    // onPicture(ImageData): a promise that ends when the picture is shown.
    constructor(onPicture) {
        Object.assign(this, {onPicture, asked: 0}); // asked: counts what started and ended it
        this.video = Object.assign(make('video', {playsinline: true}), {muted: true}); // as an attribute it would not let every browser play
        find('camera').addEventListener('click', () => (this.stream ? this.stop() : this.start()));
        for (const id of ['clear', 'left', 'right', 'up', 'down', 'turn', 'shuffle', 'tab-learn'])
            find(id).addEventListener('click', () => this.stop());
        for (const [target, event] of [[find('draw'), 'pointerdown'], [find('draw'), 'keydown'], [find('file'), 'change'], [window, 'drop'], [window, 'paste']])
            target.addEventListener(event, () => this.stop());
    }

    // Browsers give a camera to pages that are safe to them: https, localhost and, mostly, files.
    async start() {
        const asked = ++this.asked;
        this.tell('');
        if (!navigator.mediaDevices?.getUserMedia)
            return this.tell(say('noCamera'));
        try {
            const stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
            if (asked !== this.asked)
                return end(stream);
            this.stream = this.video.srcObject = stream;
            this.showState();
            await this.video.play();
        } catch (error) {
            if (asked !== this.asked)
                return;
            this.stop();
            return this.tell(say('cameraRefused', error.message || error.name));
        }
        this.take(asked);
    }

    async take(asked) {
        const {videoWidth: width, videoHeight: height} = this.video, side = Math.min(width, height);
        const context = new OffscreenCanvas(SQUARE, SQUARE).getContext('2d', {willReadFrequently: true});
        while (asked === this.asked) {
            context.drawImage(this.video, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SQUARE, SQUARE);
            await this.onPicture(context.getImageData(0, 0, SQUARE, SQUARE));
            await new Promise(requestAnimationFrame);
        }
    }

    stop() {
        this.asked++;
        if (this.stream)
            end(this.stream);
        this.stream = null;
        this.showState();
    }

    showState() {
        find('camera').setAttribute('aria-pressed', Boolean(this.stream));
        find('camera').textContent = this.stream ? say('hold') : say('camera');
    }

    tell(text) {
        find('camera-note').textContent = text;
    }
}

const end = stream => stream.getTracks().forEach(track => track.stop());

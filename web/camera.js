// The camera: its pictures go into the network while it is on; the last one stays.
import {find, make} from './dom.js';
import {say} from './words.js';

const SQUARE = 280; // pixels of the square in the middle that is taken

export class Camera {
    // onPicture(ImageData): a promise that ends when the picture is shown.
    constructor(onPicture) {
        this.onPicture = onPicture;
        this.video = make('video', {muted: true, playsinline: true});
        find('camera').addEventListener('click', () => (this.stream ? this.stop() : this.start()));
        for (const [id, event] of [['draw', 'pointerdown'], ['draw', 'keydown'], ['clear', 'click'], ['file', 'change']])
            find(id).addEventListener(event, () => this.stop());
    }

    // Browsers give a camera to pages that are safe to them: https, localhost and, mostly, files.
    async start() {
        this.tell('');
        if (!navigator.mediaDevices?.getUserMedia)
            return this.tell(say('noCamera'));
        try {
            this.stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: 'environment'}});
            this.video.srcObject = this.stream;
            await this.video.play();
        } catch (error) {
            this.stop();
            return this.tell(say('cameraRefused', error.message || error.name));
        }
        this.setPressed(true);
        this.take();
    }

    async take() {
        const {videoWidth: width, videoHeight: height} = this.video, side = Math.min(width, height);
        const context = new OffscreenCanvas(SQUARE, SQUARE).getContext('2d', {willReadFrequently: true});
        while (this.stream) {
            context.drawImage(this.video, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SQUARE, SQUARE);
            await this.onPicture(context.getImageData(0, 0, SQUARE, SQUARE));
            await new Promise(requestAnimationFrame);
        }
    }

    stop() {
        this.stream?.getTracks().forEach(track => track.stop());
        this.stream = null;
        this.setPressed(false);
    }

    setPressed(on) {
        find('camera').setAttribute('aria-pressed', on);
        find('camera').textContent = on ? say('hold') : say('camera');
    }

    tell(text) {
        find('camera-note').textContent = text;
    }
}

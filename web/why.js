// Evidence for an answer: the pictures of `cnn visualize`.
import {find, make} from './dom.js';
import {say} from './words.js';

const KINDS = {gradcam: 3, saliency: 4, occlusion: 5}; // enum cnn_picture_kind

export function listenToWhy(ask) {
    for (const [id, kind] of Object.entries(KINDS))
        find(id).addEventListener('click', async () => {
            const box = find('evidence');
            box.replaceChildren(say('working'));
            try {
                const files = await ask('visualize', kind, null);
                box.replaceChildren(...files.filter(([name]) => name.endsWith('.png') && !name.endsWith('/input.png'))
                    .map(([name, bytes]) => make('img', {src: URL.createObjectURL(new Blob([bytes], {type: 'image/png'})), alt: `${say(id)}: ${name}`})));
            } catch (error) {
                box.replaceChildren(make('pre', {}, error.message));
            }
        });
}

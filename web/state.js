// What the address holds: tab, language, the chosen value, changes to the picture, the drawing; the
// description where it was changed, and settings of training that are not those of the description.

const KEYS = ['tab', 'lang', 'layer', 'channel', 'row', 'column', 'dx', 'dy', 'turns', 'shuffle', 'draw', 'rate', 'momentum', 'decay', 'batch', 'text'];

export function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    return Object.fromEntries(KEYS.filter(key => given.has(key)).map(key => [key, given.get(key)]));
}

let timer = 0;

// Writes the address a little later, as it may change with every stroke.
export function writeAddress(state) {
    clearTimeout(timer);
    timer = setTimeout(() => {
        const words = new URLSearchParams();
        for (const key of KEYS)
            if (state[key] !== undefined && state[key] !== '' && state[key] !== 0)
                words.set(key, state[key]);
        history.replaceState(null, '', '#' + words);
    }, 300);
}

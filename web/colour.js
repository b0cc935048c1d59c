// Colours of values, and maps drawn with them.

// Dark blue to yellow, with lightness that rises evenly (after Matplotlib's viridis).
const STOPS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

export function heat(share) {
    const at = Math.min(0.9999, Math.max(0, share || 0)) * (STOPS.length - 1), i = Math.floor(at);
    return STOPS[i].map((from, k) => Math.round(from + (at - i) * (STOPS[i + 1][k] - from)));
}

// Pixels of 256 shares, as they lie in an ImageData.
const TABLE = new Uint32Array(Uint8Array.from(Array.from({length: 256}, (none, i) => [...heat(i / 255), 255]).flat()).buffer);

// Blue below zero, white at zero, red above; largest: the value with the full colour.
export function signed(value, largest) {
    const share = Math.max(-1, Math.min(1, largest > 0 ? value / largest : 0));
    const full = share < 0 ? [67, 122, 190] : [214, 96, 77];
    return full.map(part => Math.round(255 + Math.abs(share) * (part - 255)));
}

export const css = rgb => `rgb(${rgb.join(',')})`;

// Whether text on this colour should be white.
export const isDark = ([r, g, b]) => 0.3 * r + 0.59 * g + 0.11 * b < 130;

// Draws rows x columns values into a canvas of that size.
export function paintMap(canvas, values, rows, columns, [low, high]) {
    if (canvas.width !== columns || canvas.height !== rows)
        Object.assign(canvas, {width: columns, height: rows});
    const context = canvas.getContext('2d'), picture = context.createImageData(columns, rows);
    const scale = high > low ? 255 / (high - low) : 0, pixels = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < values.length; i++)
        pixels[i] = TABLE[Math.max(0, Math.min(255, Math.round((values[i] - low) * scale) || 0))];
    context.putImageData(picture, 0, 0);
}

// Draws an input of one or three channels in grey or colour.
export function paintInput(canvas, values, {channels, rows, columns}, bounds) {
    const area = rows * columns, [low, high] = bounds;
    if (canvas.width !== columns || canvas.height !== rows)
        Object.assign(canvas, {width: columns, height: rows});
    const context = canvas.getContext('2d'), picture = context.createImageData(columns, rows);
    const scale = high > low ? 255 / (high - low) : 0;
    for (let i = 0; i < area; i++) {
        for (let c = 0; c < 3; c++)
            picture.data[4 * i + c] = (values[(channels === 3 ? c : 0) * area + i] - low) * scale;
        picture.data[4 * i + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
}

// Elements and numbers, shortly.

export const find = id => document.getElementById(id);

// An element with attributes (on…: a listener) and children (elements or texts).
export function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes))
        if (key.startsWith('on'))
            element.addEventListener(key.slice(2), value);
        else if (value !== undefined && value !== false)
            element.setAttribute(key, value === true ? '' : value);
    element.append(...children);
    return element;
}

// Six digits, as the program prints numbers (%.6g).
export function number(value, digits = 6) {
    if (!Number.isFinite(value))
        return String(value);
    const text = Number(value.toPrecision(digits));
    return Math.abs(text) !== 0 && (Math.abs(text) < 1e-4 || Math.abs(text) >= 10 ** digits)
        ? text.toExponential() : String(text);
}

export const short = value => number(value, 3);

export function range(values) {
    let low = Infinity, high = -Infinity;
    for (const value of values) {
        low = Math.min(low, value);
        high = Math.max(high, value);
    }
    return [low, high];
}

// A layer's shape with channels, rows and columns; a flat layer has one row and column.
export function sizes(shape) {
    const [channels, rows = 1, columns = 1] = shape;
    return {channels, rows, columns};
}

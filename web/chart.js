// Curves over steps.
import {number} from './dom.js';

const MARGIN = {left: 80, right: 14, top: 14, bottom: 34};

// series: [{points: [[x, y]], colour}]
export function drawChart(canvas, series, top) {
    const context = canvas.getContext('2d'), {width, height} = canvas;
    const all = series.flatMap(one => one.points), right = Math.max(1, ...all.map(point => point[0]));
    const high = top || (all.length > 0 && Math.max(...all.map(point => point[1]))) || 1;
    const place = ([x, y]) => [MARGIN.left + x / right * (width - MARGIN.left - MARGIN.right),
        height - MARGIN.bottom - Math.min(1, y / high) * (height - MARGIN.top - MARGIN.bottom)];
    context.clearRect(0, 0, width, height);
    Object.assign(context, {font: '22px system-ui', fillStyle: '#4b535d', strokeStyle: '#d5dae0', lineWidth: 1, textAlign: 'right', textBaseline: 'middle'});
    for (const share of [0, 0.5, 1]) {
        const [, y] = place([0, share * high]);
        context.fillText(share * high < 100 ? number(share * high, 3) : Math.round(share * high), MARGIN.left - 8, y);
        context.beginPath();
        context.moveTo(MARGIN.left, y);
        context.lineTo(width - MARGIN.right, y);
        context.stroke();
    }
    context.fillText(String(right), width - MARGIN.right, height - 14);
    for (const {points, colour, dots} of series) {
        Object.assign(context, {strokeStyle: colour, fillStyle: colour, lineWidth: 3});
        context.beginPath();
        points.map(place).forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
        context.stroke();
        if (dots)
            points.map(place).forEach(([x, y]) => context.fillRect(x - 5, y - 5, 10, 10));
    }
}

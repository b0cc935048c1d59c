// The worker, as functions that return promises.

export class Client {
    constructor(source, program, onEvent) {
        const url = URL.createObjectURL(new Blob([source], {type: 'text/javascript'}));
        this.worker = new Worker(url);
        URL.revokeObjectURL(url);
        this.waiting = new Map();
        this.next = 0;
        this.worker.onmessage = ({data}) => {
            if (data.event)
                return onEvent(data.event);
            const {resolve, reject} = this.waiting.get(data.id);
            this.waiting.delete(data.id);
            if (data.error)
                reject(Object.assign(new Error(data.error.text), {messages: data.error.messages}));
            else
                resolve(data.result);
        };
        this.ready = this.ask('start', program);
    }

    ask(method, ...values) {
        return new Promise((resolve, reject) => {
            this.waiting.set(++this.next, {resolve, reject});
            this.worker.postMessage({id: this.next, method, values});
        });
    }
}

// Calls an asynchronous function for the newest of many requests, one at a time. The promise ends
// when the newest is done.
export function latest(work) {
    let running = null, wanted = null;
    const go = async () => {
        while (wanted) {
            const now = wanted;
            wanted = null;
            await work(...now);
        }
    };
    return (...values) => {
        wanted = values;
        running = running || go().finally(() => { running = null; });
        return running;
    };
}

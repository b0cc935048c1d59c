// Files in memory, and the calls of WASI (preview 1) through which the program reaches them, the
// clock and its standard output. Names have no slash in front: 'run/last.safetensors'.

const SUCCESS = 0, BADF = 8, EXIST = 20, INVAL = 28, NOENT = 44, NOTDIR = 54, NOTEMPTY = 55;
const CREATE = 1, DIRECTORY = 2, EXCLUSIVE = 4, TRUNCATE = 8, APPEND = 1;
const CHARACTERS = 2, FOLDER = 3, PLAIN = 4; // types of files
const ROOT = 3; // the descriptor of the folder that holds all

export class Files {
    constructor() {
        this.nodes = new Map([['', {folder: true, inode: 1, links: 1}]]);
        this.open = new Map([[ROOT, {node: this.nodes.get(''), name: ''}]]);
        this.inodes = 1;
        this.printed = []; // bytes on standard output and standard error
    }

    // The folders of the name are made, too.
    write(name, bytes) {
        const parts = name.split('/');
        for (let i = 1; i < parts.length; i++)
            this.make(parts.slice(0, i).join('/'), true);
        const node = this.make(name, false);
        node.bytes = bytes;
        node.size = bytes.length;
    }

    read(name) {
        const node = this.nodes.get(name);
        return node && !node.folder ? node.bytes.slice(0, node.size) : null;
    }

    // Removes a folder with all that is in it.
    clear(folder) {
        for (const name of [...this.nodes.keys()])
            if (name === folder || name.startsWith(folder + '/'))
                this.nodes.delete(name);
    }

    names(folder) {
        const prefix = folder ? folder + '/' : '';
        return [...this.nodes.keys()].filter(name =>
            name && name.startsWith(prefix) && !name.slice(prefix.length).includes('/'));
    }

    // What was printed since the last call, as text.
    takePrinted() {
        const text = new TextDecoder().decode(joinBytes(this.printed));
        this.printed = [];
        return text;
    }

    make(name, folder) {
        const old = this.nodes.get(name);
        if (old)
            return old;
        const node = {folder, inode: ++this.inodes, links: 1, bytes: new Uint8Array(0), size: 0};
        this.nodes.set(name, node);
        return node;
    }

    // The functions that the program imports; memory() is what it shares with the page.
    imports(memory) {
        const view = () => new DataView(memory().buffer);
        const bytesAt = (at, length) => new Uint8Array(memory().buffer, at, length);
        const nameAt = (folder, at, length) => {
            const base = this.open.get(folder).name, parts = base ? base.split('/') : [];
            for (const part of new TextDecoder().decode(bytesAt(at, length)).split('/'))
                if (part === '..')
                    parts.pop();
                else if (part && part !== '.')
                    parts.push(part);
            return parts.join('/');
        };
        const calls = {...this.descriptorCalls(view, bytesAt), ...this.pathCalls(view, nameAt)};
        calls.environ_sizes_get = (count, size) => {
            view().setUint32(count, 0, true);
            view().setUint32(size, 0, true);
            return SUCCESS;
        };
        calls.environ_get = () => SUCCESS;
        calls.clock_time_get = (id, precision, out) => {
            const ms = id === 0 ? Date.now() : performance.now();
            view().setBigUint64(out, BigInt(Math.round(ms * 1e6)), true);
            return SUCCESS;
        };
        calls.sched_yield = () => SUCCESS;
        calls.proc_exit = code => { throw new Error(`the program ended with status ${code}`); };
        return calls;
    }

    stat(view, out, node) {
        for (let i = 0; i < 64; i += 8)
            view.setBigUint64(out + i, 0n, true);
        view.setBigUint64(out + 8, BigInt(node.inode), true);
        view.setUint8(out + 16, node.folder ? FOLDER : PLAIN);
        view.setBigUint64(out + 24, BigInt(node.links), true);
        view.setBigUint64(out + 32, BigInt(node.size || 0), true);
        return SUCCESS;
    }

    readAt(view, bytesAt, file, vectors, count, position) {
        let done = 0;
        for (let i = 0; i < count; i++) {
            const at = view.getUint32(vectors + 8 * i, true);
            const length = view.getUint32(vectors + 8 * i + 4, true);
            const end = Math.min(position + done + length, file.node.size);
            const part = file.node.bytes.subarray(position + done, Math.max(position + done, end));
            bytesAt(at, part.length).set(part);
            done += part.length;
        }
        return done;
    }

    writeTo(file, bytes) {
        const node = file.node, at = file.append ? node.size : file.position, end = at + bytes.length;
        if (end > node.bytes.length) {
            const larger = new Uint8Array(Math.max(end, 2 * node.bytes.length));
            larger.set(node.bytes.subarray(0, node.size));
            node.bytes = larger;
        }
        node.bytes.set(bytes, at);
        node.size = Math.max(node.size, end);
        file.position = end;
    }

    descriptorCalls(view, bytesAt) {
        const get = fd => this.open.get(fd);
        return {
            fd_close: fd => (this.open.delete(fd) ? SUCCESS : BADF),
            fd_fdstat_get: (fd, out) => {
                const file = get(fd), v = view();
                if (!file && fd > 2)
                    return BADF;
                v.setUint8(out, !file ? CHARACTERS : file.node.folder ? FOLDER : PLAIN);
                v.setUint16(out + 2, file && file.append ? APPEND : 0, true);
                v.setBigUint64(out + 8, ~0n & 0xffffffffn, true);
                v.setBigUint64(out + 16, ~0n & 0xffffffffn, true);
                return SUCCESS;
            },
            fd_fdstat_set_flags: () => SUCCESS,
            fd_filestat_get: (fd, out) => (get(fd) ? this.stat(view(), out, get(fd).node) : BADF),
            fd_prestat_get: (fd, out) => {
                if (fd !== ROOT)
                    return BADF;
                view().setUint32(out, 0, true);
                view().setUint32(out + 4, 1, true);
                return SUCCESS;
            },
            fd_prestat_dir_name: (fd, at) => {
                bytesAt(at, 1)[0] = '/'.charCodeAt(0);
                return SUCCESS;
            },
            fd_pread: (fd, vectors, count, position, out) => {
                if (!get(fd))
                    return BADF;
                const v = view();
                v.setUint32(out, this.readAt(v, bytesAt, get(fd), vectors, count, Number(position)), true);
                return SUCCESS;
            },
            fd_read: (fd, vectors, count, out) => {
                const file = get(fd), v = view();
                const done = file ? this.readAt(v, bytesAt, file, vectors, count, file.position) : 0;
                if (file)
                    file.position += done;
                v.setUint32(out, done, true);
                return SUCCESS;
            },
            fd_write: (fd, vectors, count, out) => {
                const file = get(fd), v = view();
                let done = 0;
                for (let i = 0; i < count; i++) {
                    const at = v.getUint32(vectors + 8 * i, true);
                    const length = v.getUint32(vectors + 8 * i + 4, true);
                    if (file)
                        this.writeTo(file, bytesAt(at, length));
                    else if (fd === 1)
                        this.printed.push(bytesAt(at, length).slice());
                    done += length;
                }
                v.setUint32(out, done, true);
                return SUCCESS;
            },
            fd_seek: (fd, offset, whence, out) => {
                const file = get(fd);
                if (!file || file.node.folder)
                    return BADF;
                const base = whence === 0 ? 0 : whence === 1 ? file.position : file.node.size;
                if (base + Number(offset) < 0)
                    return INVAL;
                file.position = base + Number(offset);
                view().setBigUint64(out, BigInt(file.position), true);
                return SUCCESS;
            },
            fd_tell: (fd, out) => {
                view().setBigUint64(out, BigInt(get(fd).position), true);
                return SUCCESS;
            },
            fd_sync: () => SUCCESS,
            fd_readdir: (fd, at, length, cookie, out) => this.list(view(), bytesAt, get(fd), at, length, Number(cookie), out),
        };
    }

    list(view, bytesAt, file, at, length, cookie, out) {
        const names = this.names(file.name);
        let used = 0;
        for (let i = cookie; i < names.length && used < length; i++) {
            const node = this.nodes.get(names[i]);
            const name = new TextEncoder().encode(names[i].split('/').pop());
            const entry = new Uint8Array(24 + name.length), entryView = new DataView(entry.buffer);
            entryView.setBigUint64(0, BigInt(i + 1), true);
            entryView.setBigUint64(8, BigInt(node.inode), true);
            entryView.setUint32(16, name.length, true);
            entryView.setUint8(20, node.folder ? FOLDER : PLAIN);
            entry.set(name, 24);
            const part = entry.subarray(0, length - used);
            bytesAt(at + used, part.length).set(part);
            used += part.length;
        }
        view.setUint32(out, used, true);
        return SUCCESS;
    }

    pathCalls(view, nameAt) {
        return {
            path_open: (folder, lookup, at, length, how, rights, inherited, flags, out) => {
                const name = nameAt(folder, at, length);
                let node = this.nodes.get(name);
                if (node && (how & EXCLUSIVE))
                    return EXIST;
                if (!node && !(how & CREATE))
                    return NOENT;
                if ((node && !node.folder && (how & DIRECTORY)) || !this.hasFolder(name))
                    return node ? NOTDIR : NOENT;
                node = node || this.make(name, false);
                if (how & TRUNCATE)
                    node.size = 0;
                let fd = ROOT + 1;
                while (this.open.has(fd))
                    fd++;
                this.open.set(fd, {node, name, position: 0, append: (flags & APPEND) !== 0});
                view().setUint32(out, fd, true);
                return SUCCESS;
            },
            path_filestat_get: (folder, flags, at, length, out) => {
                const node = this.nodes.get(nameAt(folder, at, length));
                return node ? this.stat(view(), out, node) : NOENT;
            },
            path_create_directory: (folder, at, length) => {
                const name = nameAt(folder, at, length);
                if (this.nodes.has(name))
                    return EXIST;
                this.make(name, true);
                return SUCCESS;
            },
            path_remove_directory: (folder, at, length) => {
                const name = nameAt(folder, at, length);
                if (this.names(name).length > 0)
                    return NOTEMPTY;
                return this.nodes.delete(name) ? SUCCESS : NOENT;
            },
            path_unlink_file: (folder, at, length) => this.unlink(nameAt(folder, at, length)),
            path_rename: (folder, at, length, newFolder, newAt, newLength) =>
                this.rename(nameAt(folder, at, length), nameAt(newFolder, newAt, newLength)),
            path_link: (folder, flags, at, length, newFolder, newAt, newLength) => {
                const node = this.nodes.get(nameAt(folder, at, length));
                const name = nameAt(newFolder, newAt, newLength);
                if (!node || this.nodes.has(name))
                    return node ? EXIST : NOENT;
                node.links++;
                this.nodes.set(name, node);
                return SUCCESS;
            },
        };
    }

    hasFolder(name) {
        const slash = name.lastIndexOf('/');
        return slash < 0 || Boolean(this.nodes.get(name.slice(0, slash))?.folder);
    }

    unlink(name) {
        const node = this.nodes.get(name);
        if (!node)
            return NOENT;
        node.links--;
        this.nodes.delete(name);
        return SUCCESS;
    }

    // Two names of one file both stay, as POSIX says.
    rename(from, to) {
        const node = this.nodes.get(from);
        if (!node)
            return NOENT;
        if (this.nodes.get(to) === node)
            return SUCCESS;
        if (this.nodes.has(to))
            this.unlink(to);
        this.nodes.delete(from);
        this.nodes.set(to, node);
        return SUCCESS;
    }
}

export function joinBytes(parts) {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}

// A host of the library component in Node.js, through jco:
//
//     jco transpile wimforge-library.wasm --instantiation sync --name library -o LIBRARY
//     node host.mjs LIBRARY capture DIRECTORY WIM NAME [none|xpress|lzx]
//     node host.mjs LIBRARY append DIRECTORY WIM NAME
//     node host.mjs LIBRARY list WIM IMAGE [PATH]
//     node host.mjs LIBRARY read WIM IMAGE PATH       the data of a file, to standard output
//     node host.mjs LIBRARY pipe DIRECTORY NAME       a pipable archive, to standard output
//     node host.mjs LIBRARY verify                    a pipable archive from standard input
//
// The component imports no WASI: it sees what the classes below give it. SOURCE_DATE_EPOCH makes
// archives reproducible.

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const units = (text) => Uint16Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
const textOf = (list) => String.fromCharCode(...list);

/** 100 ns since 1601 from nanoseconds since 1970. */
function fileTime(nanoseconds) {
  const ticks = nanoseconds / 100n + 116_444_736_000_000_000n;
  return ticks < 0n ? 0n : ticks;
}

/** What a failed system call is to the component: the case of `error-code` that is thrown. */
function failing(tag, call) {
  try {
    return call();
  } catch (error) {
    throw { tag, val: String(error.message) };
  }
}

// --- What the component imports -------------------------------------------------------------------

/** `source.reader`: an open file. */
class Reader {
  constructor(file) {
    this.file = file;
  }

  read(offset, size) {
    const data = new Uint8Array(size);
    const got = failing('read', () => fs.readSync(this.file, data, 0, size, offset));
    return data.subarray(0, got);
  }

  stamp() {
    const info = failing('read', () => fs.fstatSync(this.file, { bigint: true }));
    return { size: info.size, writeTime: fileTime(info.mtimeNs) };
  }

  [Symbol.dispose ?? Symbol.for('dispose')]() {
    fs.closeSync(this.file);
  }
}

/** `source.tree`: a directory. */
class Tree {
  constructor(root) {
    this.path = root;
    this.nodes = [root];
  }

  name() {
    return this.path;
  }

  root(_wanted) {
    const entry = failing('open', () => this.entry(0, ''));
    return { entries: [entry], problems: [], warnings: [] };
  }

  readDir(directory, _wanted) {
    const above = this.nodes[Number(directory)];
    const batch = { entries: [], problems: [], warnings: [] };
    for (const name of failing('open', () => fs.readdirSync(above))) {
      this.nodes.push(path.join(above, name));
      try {
        batch.entries.push(this.entry(this.nodes.length - 1, name));
      } catch (error) {
        batch.problems.push({ name: units(name), error: { tag: 'open', val: error.message } });
      }
    }
    return batch;
  }

  entry(node, name) {
    const file = this.nodes[node];
    // The root is followed if it is a link.
    const info = (node === 0 ? fs.statSync : fs.lstatSync)(file, { bigint: true });
    const writeTime = fileTime(info.mtimeNs);
    return {
      node: BigInt(node),
      name: units(name),
      kind: this.kind(file, info),
      creationTime: writeTime,
      accessTime: fileTime(info.atimeNs),
      writeTime,
      identity: { device: info.dev, file: info.ino },
      shared: !info.isDirectory() && info.nlink > 1n,
      size: info.isFile() ? info.size : 0n,
      unix: undefined,
      namedStreams: [],
      xattrs: [],
      objectId: new Uint8Array(),
    };
  }

  kind(file, info) {
    if (info.isDirectory()) return { tag: 'directory' };
    if (info.isFile()) return { tag: 'file', val: info.blocks < (info.size + 511n) / 512n };
    if (!info.isSymbolicLink()) return { tag: 'special' };
    const followed = fs.statSync(file, { throwIfNoEntry: false });
    const target = units(fs.readlinkSync(file));
    return { tag: 'link', val: { target, toDirectory: followed?.isDirectory() ?? false } };
  }

  open(node, _stream) {
    return new Reader(failing('open', () => fs.openSync(this.nodes[Number(node)])));
  }

  insideRoot(target) {
    const root = fs.realpathSync(this.path);
    const text = textOf(target);
    return text === root || text.startsWith(`${root}/`) ? root.length : undefined;
  }
}

/** `storage.file`: an archive. */
class File {
  constructor(file, flags = 'r') {
    this.path = file;
    this.file = fs.openSync(file, flags);
  }

  name() {
    return this.path;
  }

  size() {
    return failing('read', () => fs.fstatSync(this.file, { bigint: true }).size);
  }

  read(offset, size) {
    const data = new Uint8Array(size);
    const got = failing('read', () => fs.readSync(this.file, data, 0, size, offset));
    return data.subarray(0, got);
  }

  write(offset, data) {
    failing('write', () => {
      for (let done = 0; done < data.length; ) {
        done += fs.writeSync(this.file, data, done, data.length - done, Number(offset) + done);
      }
    });
  }

  setSize(size) {
    failing('write', () => fs.ftruncateSync(this.file, Number(size)));
  }

  sync() {
    failing('write', () => fs.fdatasyncSync(this.file));
  }
}

/** `sink.output`: standard output. */
class Output {
  write(data) {
    failing('write', () => {
      for (let done = 0; done < data.length; ) done += fs.writeSync(1, data, done);
    });
  }

  flush() {}
}

/** `feed.input`: standard input. */
class Input {
  read(size) {
    const data = new Uint8Array(size);
    return data.subarray(0, failing('read', () => fs.readSync(0, data)));
  }
}

/** Resources that this program gives to nobody. */
class None {}

const imports = {
  'wimforge:imaging/types': {},
  'wimforge:imaging/source': { Tree, Reader },
  'wimforge:imaging/storage': { File },
  'wimforge:imaging/sink': { Output },
  'wimforge:imaging/feed': { Input },
  'wimforge:imaging/volume': { Device: None },
  'wimforge:imaging/target': { Directory: None, OutputFile: None },
  'wimforge:imaging/observer': { Watcher: None },
  'wimforge:imaging/workers': { Pool: None, Job: None },
};

// --- The program ----------------------------------------------------------------------------------

async function open(directory) {
  const { instantiate } = await import(pathToFileURL(path.resolve(directory, 'library.js')));
  const compile = (name) => new WebAssembly.Module(fs.readFileSync(path.join(directory, name)));
  return instantiate(compile, imports);
}

/** The time now, and what no time in a reproducible archive exceeds. */
function nowAndLatest() {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  if (epoch === undefined) return [fileTime(BigInt(Date.now()) * 1_000_000n), undefined];
  const moment = fileTime(BigInt(epoch) * 1_000_000_000n);
  return [moment, moment];
}

function write(library, how, directory, to, name, compression) {
  const [now, latestTime] = nowAndLatest();
  const { Writer } = library.writer;
  const options = { compression, chunkSize: 0, level: 0, integrity: 'keep', guid: undefined, now };
  const writer = Writer[how](...to, options);
  const image = {
    name,
    properties: [],
    boot: false,
    config: undefined,
    links: 'omit-outside',
    unixData: 'none',
    extras: { security: true },
    onUnreadable: 'fail',
    passOver: [],
    latestTime,
  };
  const summary = writer.add(new Tree(directory), image, undefined);
  const size = Writer.finish(writer, undefined);
  console.error(`image ${summary.image}: ${summary.files} files; ${size} bytes`);
}

const commands = {
  /** A new archive appears under its name only when it is complete. */
  capture(library, directory, wim, name, compression = 'lzx') {
    const temporary = `${wim}.${process.pid}.tmp`;
    const storage = new File(temporary, 'wx+');
    try {
      write(library, 'create', directory, [storage], name, compression);
      fs.renameSync(temporary, wim);
    } catch (error) {
      fs.unlinkSync(temporary);
      throw error;
    }
  },

  append(library, directory, wim, name) {
    write(library, 'append', directory, [new File(wim, 'r+')], name, 'none');
  },

  list(library, wim, index, inside = '') {
    const image = library.archive.Archive.open([new File(wim)]).image(Number(index));
    for (const entry of image.list(units(inside))) console.log(textOf(entry.name));
  },

  read(library, wim, index, inside) {
    const image = library.archive.Archive.open([new File(wim)]).image(Number(index));
    image.send(units(inside), { tag: 'data' }, new Output());
  },

  pipe(library, directory, name, compression = 'lzx') {
    write(library, 'pipe', directory, [new Output(), undefined], name, compression);
  },

  verify(library) {
    const { PipedArchive } = library.archive;
    const report = PipedArchive.verify(PipedArchive.open(new Input()), undefined);
    for (const problem of report.problems) console.log(problem.what);
    console.log(`${report.blobs} blobs, ${report.problems.length} problems`);
  },
};

const [directory, command, ...operands] = process.argv.slice(2);
if (!Object.hasOwn(commands, command ?? '')) {
  console.error('usage: host.mjs LIBRARY capture|append|list|read|pipe|verify …');
  process.exit(2);
}
try {
  commands[command](await open(directory), ...operands);
} catch (error) {
  // A result that is an error is thrown with the case of `error-code` in it.
  const code = error.payload;
  console.error(`host.mjs: ${code ? `${code.tag}: ${code.val ?? ''}` : error.stack ?? error}`);
  process.exit(1);
}

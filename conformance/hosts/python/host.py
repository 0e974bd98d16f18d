"""A host of the library component in Python (package `wasmtime`).

    host.py LIBRARY capture DIRECTORY WIM NAME [none|xpress|lzx]
    host.py LIBRARY append DIRECTORY WIM NAME
    host.py LIBRARY list WIM IMAGE [PATH]
    host.py LIBRARY read WIM IMAGE PATH       the data of a file, to standard output
    host.py LIBRARY pipe DIRECTORY NAME       a pipable archive, to standard output
    host.py LIBRARY verify                    a pipable archive from standard input

The component imports no WASI: it sees what the classes below give it. SOURCE_DATE_EPOCH makes archives
reproducible.
"""

import os
import stat
import sys
import time

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker, Record, ResourceHost, ResourceType, Variant

PACKAGE = "wimforge:imaging"
VERSION = "@0.1.0"


class Failure(Exception):
    """A failure with a case of `error-code`."""

    def __init__(self, tag, text):
        super().__init__(f"{tag}: {text}")
        self.code = Variant(tag, text)


def record(**fields):
    made = Record()
    for name, value in fields.items():
        setattr(made, name.replace("_", "-"), value)
    return made


def units(text):
    raw = text.encode("utf-16-le", "surrogatepass")
    return [low | high << 8 for low, high in zip(raw[::2], raw[1::2])]


def text_of(list_of_units):
    raw = b"".join(unit.to_bytes(2, "little") for unit in list_of_units)
    return raw.decode("utf-16-le", "surrogatepass")


def file_time(nanoseconds):
    """100 ns since 1601 from nanoseconds since 1970."""
    return max(0, nanoseconds // 100 + 116_444_736_000_000_000)


# --- What the component imports -------------------------------------------------------------------


class Tree:
    """`source.tree`: a directory."""

    def __init__(self, path):
        self.path = path
        self.nodes = [path]

    def name(self):
        return self.path

    def root(self, _wanted):
        return record(entries=[self.entry(0, "")], problems=[], warnings=[])

    def read_dir(self, directory, _wanted):
        above = self.nodes[directory]
        entries, problems = [], []
        for name in os.listdir(above):
            self.nodes.append(os.path.join(above, name))
            try:
                entries.append(self.entry(len(self.nodes) - 1, name))
            except OSError as error:
                code = Variant("open", str(error))
                problems.append(record(name=units(name), error=code))
        return record(entries=entries, problems=problems, warnings=[])

    def entry(self, node, name):
        path = self.nodes[node]
        # The root is followed if it is a link.
        info = os.stat(path) if node == 0 else os.lstat(path)
        size = 0
        if stat.S_ISDIR(info.st_mode):
            kind = Variant("directory")
        elif stat.S_ISREG(info.st_mode):
            kind = Variant("file", info.st_blocks < -(-info.st_size // 512))
            size = info.st_size
        elif stat.S_ISLNK(info.st_mode):
            target = units(os.readlink(path))
            kind = Variant("link", record(target=target, to_directory=os.path.isdir(path)))
        else:
            kind = Variant("special")
        written = file_time(info.st_mtime_ns)
        return record(
            node=node,
            name=units(name),
            kind=kind,
            creation_time=written,
            access_time=file_time(info.st_atime_ns),
            write_time=written,
            identity=record(device=info.st_dev, file=info.st_ino),
            shared=not stat.S_ISDIR(info.st_mode) and info.st_nlink > 1,
            size=size,
            unix=None,
            named_streams=[],
            xattrs=[],
            object_id=b"",
        )

    def open(self, node, _stream):
        return Reader(self.nodes[node])

    def inside_root(self, target):
        target = text_of(target)
        root = os.path.realpath(self.path)
        is_inside = target == root or target.startswith(root + "/")
        return len(units(root)) if is_inside else None


class Reader:
    """`source.reader`: an open file."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDONLY)

    def read(self, offset, size):
        return os.pread(self.file, size, offset)

    def stamp(self):
        info = os.fstat(self.file)
        return record(size=info.st_size, write_time=file_time(info.st_mtime_ns))

    def close(self):
        os.close(self.file)


class File:
    """`storage.file`: an archive."""

    def __init__(self, path, flags=os.O_RDONLY):
        self.path = path
        self.file = os.open(path, flags, 0o666)

    def name(self):
        return self.path

    def size(self):
        return os.fstat(self.file).st_size

    def read(self, offset, size):
        return os.pread(self.file, size, offset)

    def write(self, offset, data):
        data = memoryview(bytes(data))
        while data:
            done = os.pwrite(self.file, data, offset)
            data, offset = data[done:], offset + done

    def set_size(self, size):
        os.truncate(self.file, size)

    def sync(self):
        os.fdatasync(self.file)

    def close(self):
        os.close(self.file)


class Output:
    """`sink.output`: standard output."""

    def write(self, data):
        sys.stdout.buffer.write(bytes(data))

    def flush(self):
        sys.stdout.buffer.flush()


class Input:
    """`feed.input`: standard input."""

    def read(self, size):
        return os.read(0, size)


# What a failed call of a resource is to the component, and its methods.
IMPORTS = {
    "source": {
        "tree": ("open", Tree, ["name", "root", "read-dir", "open", "inside-root"]),
        "reader": ("read", Reader, ["read", "stamp"]),
    },
    "storage": {
        "file": ("write", File, ["name", "size", "read", "write", "set-size", "sync"]),
    },
    "sink": {"output": ("write", Output, ["write", "flush"])},
    "feed": {"input": ("read", Input, ["read"])},
}


class Library:
    """An instance of the component."""

    def __init__(self, path):
        engine = Engine(Config())
        self.store = Store(engine)
        self.objects = {}
        self.types = {}
        component = Component.from_file(engine, path)
        linker = Linker(engine)
        # Whatever is not defined below is not used by this program.
        linker.define_unknown_imports_as_traps(component)
        linker.allow_shadowing = True
        with linker.root() as root:
            for interface, resources in IMPORTS.items():
                with root.add_instance(f"{PACKAGE}/{interface}{VERSION}") as instance:
                    for name, (usual, python, methods) in resources.items():
                        self.define(instance, name, usual, python, methods)
        self.instance = linker.instantiate(self.store, component)

    def define(self, instance, name, usual, python, methods):
        self.types[python] = len(self.types) + 1
        instance.add_resource(name, ResourceType.host(self.types[python]), self.drop)
        for method in methods:
            instance.add_func(f"[method]{name}.{method}", self.bound(method, usual))

    def bound(self, method, usual):
        """A method of an object of ours as a function of the component."""

        def call(store, this, *arguments):
            target = self.objects[this.to_host(store).rep]
            try:
                result = getattr(target, method.replace("-", "_"))(*arguments)
            except OSError as error:
                return Variant(usual, str(error))
            if type(result) in self.types:
                return self.give(result)
            return result

        return call

    def give(self, target):
        """A handle that the component owns from now on."""
        return ResourceHost.own(self.keep(target), self.types[type(target)]).to_any(self.store)

    def lend(self, target):
        """A handle for one call."""
        return ResourceHost.borrow(self.keep(target), self.types[type(target)]).to_any(self.store)

    def keep(self, target):
        number = max(self.objects, default=0) + 1
        self.objects[number] = target
        return number

    def drop(self, _store, number):
        target = self.objects.pop(number)
        if hasattr(target, "close"):
            target.close()

    def call(self, interface, function, *arguments):
        index = self.instance.get_export_index(self.store, f"{PACKAGE}/{interface}{VERSION}")
        function = self.instance.get_export_index(self.store, function, index)
        function = self.instance.get_func(self.store, function)
        result = function(self.store, *arguments)
        if isinstance(result, Variant):
            raise Failure(result.tag, result.payload)
        return result


# --- The program ----------------------------------------------------------------------------------


def now_and_latest():
    """The time now, and what no time in a reproducible archive exceeds."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return file_time(time.time_ns()), None
    moment = file_time(int(epoch) * 1_000_000_000)
    return moment, moment


def options(compression):
    return record(
        compression=compression,
        chunk_size=0,
        level=0,
        integrity="keep",
        guid=None,
        now=now_and_latest()[0],
    )


def image(name):
    return record(
        name=name,
        properties=[],
        boot=False,
        config=None,
        links="omit-outside",
        unix_data="none",
        extras={"security"},
        on_unreadable="fail",
        pass_over=[],
        latest_time=now_and_latest()[1],
    )


def write(library, how, directory, to, name, compression):
    writer = library.call("writer", f"[static]writer.{how}", *to, options(compression))
    tree = library.lend(Tree(directory))
    summary = library.call("writer", "[method]writer.add", writer, tree, image(name), None)
    size = library.call("writer", "[static]writer.finish", writer, None)
    print(f"image {summary.image}: {summary.files} files; {size} bytes", file=sys.stderr)


def open_image(library, wim, index):
    archive = library.call("archive", "[static]archive.open", [library.give(File(wim))])
    return library.call("archive", "[method]archive.image", archive, int(index))


def capture(library, directory, wim, name, compression="lzx"):
    """A new archive appears under its name only when it is complete."""
    temporary = f"{wim}.{os.getpid()}.tmp"
    storage = File(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        write(library, "create", directory, [library.give(storage)], name, compression)
        os.rename(temporary, wim)
    except BaseException:
        os.unlink(temporary)
        raise


def append(library, directory, wim, name):
    to = [library.give(File(wim, os.O_RDWR))]
    write(library, "append", directory, to, name, "none")


def list_files(library, wim, index, path=""):
    opened = open_image(library, wim, index)
    for entry in library.call("archive", "[method]image.list", opened, units(path)):
        print(text_of(entry.name))


def read(library, wim, index, path):
    opened = open_image(library, wim, index)
    output = library.lend(Output())
    library.call("archive", "[method]image.send", opened, units(path), Variant("data"), output)


def pipe(library, directory, name, compression="lzx"):
    write(library, "pipe", directory, [library.give(Output()), None], name, compression)


def verify(library):
    archive = library.call("archive", "[static]piped-archive.open", library.give(Input()))
    report = library.call("archive", "[static]piped-archive.verify", archive, None)
    for problem in report.problems:
        print(problem.what)
    print(f"{report.blobs} blobs, {len(report.problems)} problems")


COMMANDS = {
    "capture": capture,
    "append": append,
    "list": list_files,
    "read": read,
    "pipe": pipe,
    "verify": verify,
}


def main():
    if len(sys.argv) < 3 or sys.argv[2] not in COMMANDS:
        sys.exit(__doc__)
    try:
        COMMANDS[sys.argv[2]](Library(sys.argv[1]), *sys.argv[3:])
    except Failure as failure:
        sys.exit(f"host.py: {failure}")


if __name__ == "__main__":
    main()

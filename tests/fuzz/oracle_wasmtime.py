"""Another implementation's answers: runs a component of component.mjs in wasmtime (PyPI: wasmtime).

    python3 oracle_wasmtime.py COMPONENT.wasm [fresh] < calls > answers

A call a line, ["function", [argument...]]; an answer a line, the result or {"error": text}. Values are JSON in the form of
types.mjs, numbers as strings. With `fresh`, each call has an instance of its own.
"""
import json
import sys

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Variant
from wasmtime.component import _types as t

# Cases always by name: the Python class of a payload does not tell bool from u8.
t.VariantLikeType._tagged = lambda self: True

INTEGERS = (t.S8, t.U8, t.S16, t.U16, t.S32, t.U32, t.S64, t.U64)
FLOATS = (t.F32, t.F64)


class Conversion:
    """The types of a function, looked up once, as a pair of functions: from JSON, to JSON."""

    def __init__(self):
        self.known = {}

    def of(self, ty):
        if isinstance(ty, INTEGERS):
            return int, str
        if isinstance(ty, FLOATS):
            return float, repr
        if isinstance(ty, t.ListType):
            return self.list_of(ty)
        if isinstance(ty, t.TupleType):
            parts = [self.of(item) for item in ty.elements]
            return (lambda v: tuple(c[0](x) for c, x in zip(parts, v)), lambda v: [c[1](x) for c, x in zip(parts, v)])
        if isinstance(ty, t.RecordType):
            return self.record_of(ty)
        if isinstance(ty, t.FlagsType):
            names = ty.names
            return (lambda v: {name for i, name in enumerate(names) if v >> i & 1}, lambda v: sum(1 << names.index(name) for name in v))
        if isinstance(ty, t.EnumType):
            labels = ty.names
            return lambda v: labels[v["index"]], lambda v: {"index": labels.index(v)}
        if isinstance(ty, t.VariantLikeType):
            return self.variant_of(ty)
        return (lambda v: v), (lambda v: v)

    def list_of(self, ty):
        read, write = self.of(ty.element)
        container = bytes if ty._is_bytes() else list
        return (lambda v: container([read(x) for x in v])), (lambda v: [write(x) for x in v])

    def record_of(self, ty):
        parts = [(name, self.of(field)) for name, field in ty.fields]

        def read(value):
            record = t.Record()
            for (name, conversion), item in zip(parts, value):
                setattr(record, name, conversion[0](item))
            return record

        return read, lambda record: [conversion[1](getattr(record, name)) for name, conversion in parts]

    def variant_of(self, ty):
        cases = [(name, None if payload is None else self.of(payload)) for name, payload in ty._cases()]
        labels = [name for name, _ in cases]

        def read(value):
            name, conversion = cases[value["index"]]
            return Variant(name, None if conversion is None else conversion[0](value["payload"]))

        def write(value):
            index = labels.index(value.tag)
            conversion = cases[index][1]
            return {"index": index} if conversion is None else {"index": index, "payload": conversion[1](value.payload)}

        return read, write


class Session:
    """An instance, with its functions as they are asked for."""

    def __init__(self, engine, component):
        self.store = Store(engine)
        self.instance = Linker(engine).instantiate(self.store, component)
        self.api = self.instance.get_export_index(self.store, "api")
        self.functions = {}

    def function(self, name):
        if name not in self.functions:
            func = self.instance.get_func(self.store, self.instance.get_export_index(self.store, name, self.api))
            ty, conversion = func.type(self.store), Conversion()
            self.functions[name] = (func, [conversion.of(p)[0] for _, p in ty.params], conversion.of(ty.result)[1])
        return self.functions[name]

    def call(self, name, arguments):
        func, reads, write = self.function(name)
        result = func(self.store, *[read(a) for read, a in zip(reads, arguments)])
        func.post_return(self.store)
        return write(result)


def main(path, fresh=False):
    engine = Engine()
    component = Component.from_file(engine, path)
    session = Session(engine, component)
    for line in sys.stdin:
        if fresh:
            session = Session(engine, component)
        try:
            answer = session.call(*json.loads(line))
        except Exception as error:  # whatever it is, the answer line says it
            answer = {"error": f"{type(error).__name__}: {error}"}
            session = Session(engine, component)  # a trap is the end of the other
        print(json.dumps(answer), flush=True)


main(sys.argv[1], sys.argv[2:] == ["fresh"])

"""Writes a kernel's description as an LLVM module: rows, then passes, then the members of each loop."""

from __future__ import annotations

from llvmlite import ir

from prover.kernels.fused import lanes as x
from prover.kernels.fused.context import Context, Point
from prover.kernels.fused.description import Kernel, Loop, Member, Place, Source
from prover.kernels.fused.lanes import I32, I64, POINTER, Value
from prover.kernels.fused.members import Accumulator, element
from prover.kernels.fused.row_products import PackedProduct
from prover.kernels.fused.threads import ARGUMENTS, GRAIN, NEXT, ROWS, SCRATCH, SCRATCH_SIZE, THREAD_NUMBER
from prover.kernels.fused.visiting import visit, widths


def module_of(kernel: Kernel, name: str) -> str:
    """LLVM assembly with `NAME_work(call)` and `NAME_work_as(call, thread)` (see `threads.Launch`)."""
    module = ir.Module(name)
    nothing = ir.VoidType()
    rows = ir.Function(module, ir.FunctionType(nothing, [POINTER, POINTER, I64, I64]), f"{name}_rows")
    rows.linkage = "internal"
    _write_rows(kernel, rows)
    work_as = ir.Function(module, ir.FunctionType(nothing, [POINTER, I64]), f"{name}_work_as")
    _write_work_as(work_as, rows)
    _write_work(ir.Function(module, ir.FunctionType(nothing, [POINTER]), f"{name}_work"), work_as)
    return str(module)


def _word(b: ir.IRBuilder, call: Value, index: int) -> Value:
    return b.load(x.moved(b, call, I64(index), 8), typ=I64, align=8)


def _write_work_as(function: ir.Function, rows: ir.Function) -> None:
    """Take `grain` rows at a time from the shared counter until none is left."""
    call, thread = function.args
    b = ir.IRBuilder(function.append_basic_block())
    arguments, scratch, size, total, grain = (
        _word(b, call, index) for index in (ARGUMENTS, SCRATCH, SCRATCH_SIZE, ROWS, GRAIN)
    )
    own = b.inttoptr(b.add(scratch, b.mul(thread, size)), POINTER)
    again, take, done = (function.append_basic_block(name) for name in ("again", "take", "done"))
    b.branch(again)
    b.position_at_end(again)
    counter = b.bitcast(x.moved(b, call, I64(NEXT), 8), I64.as_pointer())
    first = b.atomic_rmw("add", counter, grain, "monotonic")
    b.cbranch(b.icmp_signed("<", first, total), take, done)
    b.position_at_end(take)
    last = x.smaller(b, b.add(first, grain), total)
    b.call(rows, [b.inttoptr(arguments, POINTER), own, first, last])
    b.branch(again)
    b.position_at_end(done)
    b.ret_void()


def _write_work(function: ir.Function, work_as: ir.Function) -> None:
    """As the thread that OpenMP says this is."""
    (call,) = function.args
    b = ir.IRBuilder(function.append_basic_block())
    thread_number = b.inttoptr(_word(b, call, THREAD_NUMBER), ir.FunctionType(I32, []).as_pointer())
    b.call(work_as, [call, b.zext(b.call(thread_number, []), I64)])
    b.ret_void()


def _write_rows(kernel: Kernel, function: ir.Function) -> None:
    """All passes for rows begin .. end-1."""
    arguments, scratch, begin, end = function.args
    entry = ir.IRBuilder(function.append_basic_block("entry"))
    b = ir.IRBuilder(function.append_basic_block("rows"))
    context = Context(kernel, b, entry, arguments, scratch)
    products = {
        number: PackedProduct(context, each) for number, each in enumerate(kernel.passes) if not isinstance(each, Loop)
    }
    first = b.block
    with x.loop(b, begin, end, 1) as row:
        context.coordinates = _coordinates(b, row, kernel.rows)
        context.row_values = {}
        for number, each in enumerate(kernel.passes):
            if isinstance(each, Loop):
                _write_loop(context, each)
            else:
                products[number].write(row)
    b.ret_void()
    entry.branch(first)


def _coordinates(b: ir.IRBuilder, row: Value, extents: tuple[int, ...]) -> tuple[Value, ...]:
    result = []
    for extent in reversed(extents[1:]):
        result.append(b.urem(row, I64(extent)))
        row = b.udiv(row, I64(extent))
    return (*([row] if extents else []), *reversed(result))


def _places(member: Member) -> list[Place]:
    sources: list[Source | None] = [*member.a, *member.b, member.finish.m, member.finish.c, member.table]
    return [s for s in (*sources, *member.stores, *member.digits) if isinstance(s, Place)]


def _write_loop(context: Context, loop: Loop) -> None:
    members = {number: context.kernel.members[number] for number in loop.members}
    starts = {place: context.row_start(place) for member in members.values() for place in _places(member)}
    once = Point(context, starts, (), 1)
    if not loop.extents:
        for number, member in members.items():
            context.row_values[number] = element(once, member)
            _write_results(once, member, context.row_values[number])
        return
    sums = {
        number: Accumulator.start(context, member, widths(loop.extents))
        for number, member in members.items()
        if member.reduces
    }

    def body(point: Point) -> None:
        context.lane_values = {}
        for number, member in members.items():
            if number in sums:
                sums[number].add(point)
            else:
                context.lane_values[number] = element(point, member)
                _write_results(point, member, context.lane_values[number])

    visit(context, starts, loop.extents, body)
    context.lane_values = {}
    for number, total in sums.items():
        context.row_values[number] = total.result(once)
        _write_results(once, members[number], context.row_values[number])


def _write_results(point: Point, member: Member, value: Value) -> None:
    """The value where it is stored, and its digits of base 256, lowest first."""
    b = point.context.builder
    for place in member.stores:
        point.write(place, value)
    rest = value
    for number, place in enumerate(member.digits):
        point.write(place, rest)
        if number + 1 < len(member.digits):
            rest = b.ashr(b.add(rest, x.constant(rest, 128)), x.constant(rest, 8))

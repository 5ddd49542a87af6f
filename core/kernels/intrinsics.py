"""Machine instructions and hashes that the walk kernels use."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32, _S11 = (np.uint64(s) for s in (30, 27, 31, 32, 11))
_TO_UNIT = 1.0 / (1 << 53)

Int = int | np.integer[Any]
"""An integer argument of a kernel; all of them are int64 once compiled."""


def _prefetch(typingctx: Any, array: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        data = context.make_array(signature.args[0])(context, builder, args[0])
        offset = builder.mul(args[1], builder.load(data._get_ptr_by_name("itemsize")))
        address = builder.add(builder.ptrtoint(data.data, word), offset)
        pointer_type = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [pointer_type, number, number, number]),
            "llvm.prefetch.p0",
        )
        # read access, keep in all cache levels, data cache
        builder.call(function, [builder.inttoptr(address, pointer_type), number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


prefetch: Any = intrinsic(_prefetch)
"""``prefetch(array, index)``: request the cache line of ``array[index]`` (1-d, contiguous) without waiting for it."""


def _multiply_wide(typingctx: Any, a: Any, b: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, wide = ir.IntType(64), ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.trunc(builder.lshr(product, wide(64)), word)
        return context.make_tuple(builder, signature.return_type, [high, builder.trunc(product, word)])

    return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), codegen


multiply_wide: Any = intrinsic(_multiply_wide)
"""``multiply_wide(a, b) -> (high, low)``: both halves of the 128-bit product of two uint64."""


@njit(cache=True, nogil=True)
def mix(z: np.uint64) -> np.uint64:
    """The finalizer of splitmix64 (Steele, Lea and Flood, OOPSLA 2014): a bijective hash of 64 bits."""
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@njit(cache=True, nogil=True)
def walk_key(seed_key: np.uint64, node: Int, pass_number: Int) -> np.uint64:
    """The key of a walk's stream of random numbers: a hash of seed, start node and pass."""
    walk = (np.uint64(pass_number) << _S32) | np.uint64(node)
    return mix(seed_key ^ mix(walk + _GOLDEN))


@njit(cache=True, nogil=True)
def draw(key: np.uint64, counter: Int) -> np.uint64:
    """Random number ``counter`` of the stream ``key``, uniform over 64 bits (splitmix64 addressed by counter)."""
    return mix(key + np.uint64(counter) * _GOLDEN)


@njit(cache=True, nogil=True)
def unit(bits: np.uint64) -> float:
    """The upper 53 of the 64 bits as a number in [0, 1)."""
    return np.float64(bits >> _S11) * _TO_UNIT

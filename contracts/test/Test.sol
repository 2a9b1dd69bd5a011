// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Vm} from "./Vm.sol";

/// Assertions, fuzzed values, and the contracts under test, which are the committed artifacts: what is tested is the
/// bytecode that is deployed. `make check` sees to it that they match the sources.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Unequal(string what, bytes32 expected, bytes32 got);
    error Unfulfilled(string what);

    function check(bool condition, string memory what) internal pure {
        if (!condition) revert Unfulfilled(what);
    }

    function equal(bytes32 got, bytes32 expected, string memory what) internal pure {
        if (got != expected) revert Unequal(what, expected, got);
    }

    function equal(uint256 got, uint256 expected, string memory what) internal pure {
        equal(bytes32(got), bytes32(expected), what);
    }

    function equal(int256 got, int256 expected, string memory what) internal pure {
        equal(uint256(got), uint256(expected), what);
    }

    // Contracts

    function creationCode(string memory name) internal view returns (bytes memory) {
        string memory path = string.concat("contracts/artifacts/", name, ".json");
        return vm.parseJsonBytes(vm.readFile(path), ".bytecode");
    }

    /// Deploys an artifact; `arguments` are its constructor's.
    function deployed(string memory name, bytes memory arguments) internal returns (address made) {
        bytes memory code = abi.encodePacked(creationCode(name), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
            if iszero(made) {
                returndatacopy(code, 0, returndatasize())
                revert(code, returndatasize())
            }
        }
    }

    // Files

    function vectors(string memory file) internal view returns (string memory) {
        return vm.readFile(string.concat("tests/vectors/", file));
    }

    // Fuzzed values

    function bounded(uint256 x, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + x % (high - low + 1);
    }

    /// `length` bytes that follow from `seed`: random ones, or for every other seed from the extremes of a byte.
    function data(uint256 seed, uint256 length) internal pure returns (bytes memory list) {
        list = new bytes((length + 31) / 32 * 32);
        bytes5 extremes = hex"00017f80ff";
        for (uint256 i = 0; i < length; i += 32) {
            bytes32 word = keccak256(abi.encode(seed, i));
            if (seed % 2 == 1) {
                bytes32 drawn = word;
                word = 0;
                for (uint256 j = 0; j < 32; ++j) {
                    word |= bytes32(extremes[uint8(drawn[j]) % 5]) >> (8 * j);
                }
            }
            assembly ("memory-safe") {
                mstore(add(add(list, 32), i), word)
            }
        }
        assembly ("memory-safe") {
            mstore(list, length)
        }
    }

    /// A value of 32 bits that is often an extreme one.
    function i32(uint256 seed) internal pure returns (int256) {
        int40[8] memory extremes = [int40(-2147483648), -2147483647, -1, 0, 1, 2, 2147483646, 2147483647];
        return seed % 5 < 2 ? int256(extremes[seed / 5 % 8]) : int256(int32(uint32(seed / 5)));
    }
}

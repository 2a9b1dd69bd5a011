// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// BLAKE3 word by word, as its paper has it: what `Blake3.sol` must agree with. For the tests; no part of a deployment.
library PlainBlake3 {
    uint32 private constant CHUNK_START = 1;
    uint32 private constant CHUNK_END = 2;
    uint32 private constant PARENT = 4;
    uint32 private constant ROOT = 8;

    function chunkValue(bytes calldata chunk, uint64 counter, bool root) internal pure returns (bytes32) {
        uint32[8] memory value = _iv();
        uint256 blocks = chunk.length <= 64 ? 1 : (chunk.length + 63) / 64;
        for (uint256 i = 0; i < blocks; ++i) {
            uint256 end = i == blocks - 1 ? chunk.length : 64 * i + 64;
            uint32 flags = (i == 0 ? CHUNK_START : 0) | (i == blocks - 1 ? CHUNK_END | (root ? ROOT : 0) : 0);
            value = _compress(value, _words(chunk[64 * i:end]), counter, uint32(end - 64 * i), flags);
        }
        return _bytes(value);
    }

    function parent(bytes32 left, bytes32 right, bool root) internal pure returns (bytes32) {
        uint32 flags = PARENT | (root ? ROOT : 0);
        return _bytes(_compress(_iv(), _words(abi.encodePacked(left, right)), 0, 64, flags));
    }

    function _compress(uint32[8] memory value, uint32[16] memory m, uint64 counter, uint32 length, uint32 flags)
        private
        pure
        returns (uint32[8] memory output)
    {
        uint32[8] memory iv = _iv();
        uint32[16] memory v;
        for (uint256 i = 0; i < 8; ++i) (v[i], v[i + 8]) = (value[i], iv[i]);
        (v[12], v[13], v[14], v[15]) = (uint32(counter), uint32(counter >> 32), length, flags);
        for (uint256 round = 0; round < 7; ++round) {
            for (uint256 i = 0; i < 4; ++i) {
                _mix(v, [i, 4 + i, 8 + i, 12 + i], m[2 * i], m[2 * i + 1]);
            }
            for (uint256 i = 0; i < 4; ++i) {
                _mix(v, [i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4], m[8 + 2 * i], m[9 + 2 * i]);
            }
            m = _permuted(m);
        }
        for (uint256 i = 0; i < 8; ++i) output[i] = v[i] ^ v[i + 8];
    }

    function _mix(uint32[16] memory v, uint256[4] memory places, uint32 x, uint32 y) private pure {
        (uint256 a, uint256 b, uint256 c, uint256 d) = (places[0], places[1], places[2], places[3]);
        unchecked {
            v[a] = v[a] + v[b] + x;
            v[d] = _rotated(v[d] ^ v[a], 16);
            v[c] = v[c] + v[d];
            v[b] = _rotated(v[b] ^ v[c], 12);
            v[a] = v[a] + v[b] + y;
            v[d] = _rotated(v[d] ^ v[a], 8);
            v[c] = v[c] + v[d];
            v[b] = _rotated(v[b] ^ v[c], 7);
        }
    }

    function _rotated(uint32 x, uint32 bits) private pure returns (uint32) {
        return x >> bits | x << (32 - bits);
    }

    function _permuted(uint32[16] memory m) private pure returns (uint32[16] memory n) {
        uint8[16] memory order = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
        for (uint256 i = 0; i < 16; ++i) n[i] = m[order[i]];
    }

    function _iv() private pure returns (uint32[8] memory) {
        return [
            uint32(0x6a09e667),
            0xbb67ae85,
            0x3c6ef372,
            0xa54ff53a,
            0x510e527f,
            0x9b05688c,
            0x1f83d9ab,
            0x5be0cd19
        ];
    }

    /// Little-endian words of a block, zeros behind its end.
    function _words(bytes memory data) private pure returns (uint32[16] memory m) {
        for (uint256 i = 0; i < data.length; ++i) m[i / 4] |= uint32(uint8(data[i])) << uint32(8 * (i % 4));
    }

    function _bytes(uint32[8] memory value) private pure returns (bytes32 output) {
        for (uint256 i = 0; i < 32; ++i) {
            output |= bytes32(uint256(uint8(value[i / 4] >> uint32(8 * (i % 4)))) << (248 - 8 * i));
        }
    }
}

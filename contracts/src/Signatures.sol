// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// EIP-712 signatures of openings that no hash fixes (protocol, section 7.2).
library Signatures {
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant OPENING = keccak256("Opening(bytes32 claim,bytes32 position,bytes32 content)");
    /// Half the order of secp256k1: a signature with a larger s is the mirror image of another.
    bytes32 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// What the executor or its delegate signs for this contract.
    function openingDigest(bytes32 claim, bytes32 position, bytes32 content) internal view returns (bytes32) {
        bytes32 domain =
            keccak256(abi.encode(DOMAIN, keccak256("Refute"), keccak256("1"), block.chainid, address(this)));
        return keccak256(abi.encodePacked("\x19\x01", domain, keccak256(abi.encode(OPENING, claim, position, content))));
    }

    /// The signer of `digest` by 65 bytes r || s || v, or 0.
    function signer(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        if (signature.length != 65) return address(0);
        bytes32 s = bytes32(signature[32:64]);
        if (s > HALF_ORDER) return address(0);
        return ecrecover(digest, uint8(signature[64]), bytes32(signature[0:32]), s);
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// What the tests use of forge's cheatcodes.
interface Vm {
    // files
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function parseJsonBytesArray(string calldata json, string calldata key) external pure returns (bytes[] memory);
    function parseJsonTypeArray(string calldata json, string calldata key, string calldata type_)
        external
        pure
        returns (bytes memory);

    // state
    function deal(address account, uint256 balance) external;
    function prank(address sender) external;
    function warp(uint256 timestamp) external;
    function fee(uint256 baseFee) external;
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool ok);
    function expectRevert(bytes calldata data) external;
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Errors} from "./Errors.sol";
import {Events} from "./Events.sol";
import {Head, Heads} from "./Heads.sol";
import {Interface, Interfaces, Output} from "./Interfaces.sol";

/// What the contract keeps of a model. Existence is a flag, never a non-zero hash [inv 7].
struct Model {
    bool registered;
    bytes32 interfaceHash;
}

/// The registry of models: that they exist, and where they can be found (protocol, section 6).
/// INVARIANT: [inv 13] anyone may register a model and add a place to find it; nobody owns one.
abstract contract Models is Errors, Events {
    uint256 private constant VERSION = 1;
    uint256 private constant MAX_LAYERS = 4096;
    uint256 private constant MAX_OPERATORS = 64;

    mapping(bytes32 => Model) private _models;

    function modelOf(bytes32 model) external view returns (Model memory) {
        return _models[model];
    }

    function registerModel(bytes calldata head, bytes calldata interface_, string calldata uri)
        external
        returns (bytes32 model)
    {
        if (head.length != Heads.SIZE) revert WrongHeadLength();
        model = Heads.modelId(head);
        if (_models[model].registered) revert ModelAlreadyRegistered(model);
        Head memory h = Heads.decode(head);
        if (h.version != VERSION) revert UnsupportedVersion(h.version);
        if (h.layers == 0 || h.layers > MAX_LAYERS) revert LayerCountOutOfRange(h.layers);
        if (h.operators < h.layers || h.operators > MAX_OPERATORS * h.layers) {
            revert OperatorCountOutOfRange(h.operators);
        }
        if (keccak256(interface_) != h.interfaceHash) revert InterfaceNotInHead();
        (Interface memory declared, bool ok) = Interfaces.decode(interface_);
        for (uint256 i = 0; i < declared.outputs.length && ok; ++i) ok = declared.outputs[i].layer < h.layers;
        if (!ok) revert MalformedInterface();
        _models[model] = Model(true, h.interfaceHash);
        emit ModelRegistered(model, msg.sender, head, interface_, uri);
    }

    function addUri(bytes32 model, string calldata uri) external {
        if (!_models[model].registered) revert UnknownModel(model);
        emit UriAdded(model, msg.sender, uri);
    }

    /// The interface of a registered model.
    function _interface(bytes32 model, bytes calldata interface_) internal view returns (Interface memory declared) {
        Model storage known = _models[model];
        if (keccak256(interface_) != known.interfaceHash) {
            if (known.registered) revert InterfaceNotOfModel();
            revert UnknownModel(model);
        }
        (declared,) = Interfaces.decode(interface_);
    }

    /// The interface of the model that has this head.
    function _interface(Head memory head, bytes calldata interface_) internal pure returns (Interface memory declared) {
        if (keccak256(interface_) != head.interfaceHash) revert InterfaceNotOfModel();
        (declared,) = Interfaces.decode(interface_);
    }

    function _interfaceHash(bytes32 model) internal view returns (bytes32) {
        return _models[model].interfaceHash;
    }

    /// The head of a model that is known to be registered.
    function _head(bytes32 model, bytes calldata head) internal pure returns (Head memory) {
        if (head.length != Heads.SIZE || Heads.modelId(head) != model) revert HeadNotOfModel();
        return Heads.decode(head);
    }
}

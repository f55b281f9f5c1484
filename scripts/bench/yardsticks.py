"""The yardsticks of `npm run bench`: one JSON line in, one out, as `sluice bench --serve`.

Training is PyTorch's best known way: time first, fused Adam, gradients dropped instead of zeroed. Single steps are ONNX
Runtime's, with bound inputs and outputs (PyTorch needs over ten times as long).
"""

import json
import resource
import sys
import time

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, shape):
        super().__init__()
        kinds = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn-tanh": nn.RNN}
        self.embedding = nn.Embedding(shape["vocabularySize"], shape["embeddingSize"]) if "vocabularySize" in shape else None
        inputs = shape["embeddingSize"] if self.embedding else shape["inputSize"]
        self.recurrent = kinds[shape["cell"]](inputs, shape["hiddenSize"], shape["layers"])
        self.head = nn.Linear(shape["hiddenSize"], shape["vocabularySize"] if self.embedding else shape["outputSize"])

    def forward(self, x, state=None):
        output, state = self.recurrent(self.embedding(x) if self.embedding else x, state)
        return self.head(output if self.embedding else output[-1]), state


def training(shape):
    """One optimizer step."""
    model = Model(shape)
    time_steps, batch = shape["sequenceLength"], shape["batchSize"]
    if model.embedding:
        x, y = (torch.randint(shape["vocabularySize"], (time_steps, batch)) for _ in range(2))
        loss = lambda: nn.functional.cross_entropy(model(x)[0].flatten(0, 1), y.flatten())
    else:
        x, y = torch.randn(time_steps, batch, shape["inputSize"]), torch.randn(batch, shape["outputSize"])
        loss = lambda: nn.functional.mse_loss(model(x)[0], y)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    return step


def stepping(shape):
    """As many calls as the sequence has steps, each for one time step with its states going in and out."""
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    hidden, vocabulary, gates = shape["hiddenSize"], shape["vocabularySize"], {"lstm": 4, "gru": 3}[shape["cell"]]
    states = ["h", "c"] if shape["cell"] == "lstm" else ["h"]
    draw = np.random.default_rng(0)
    weights = {"embedding": (vocabulary, hidden), "head": (hidden, vocabulary)}
    inputs = [helper.make_tensor_value_info("token", TensorProto.INT64, [1, 1])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1, vocabulary])]
    nodes = [helper.make_node("Gather", ["embedding", "token"], ["x0"])]
    for layer in range(shape["layers"]):
        weights[f"W{layer}"] = weights[f"R{layer}"] = (1, gates * hidden, hidden)
        weights[f"B{layer}"] = (1, 2 * gates * hidden)
        before, after = ([f"{state}{when}{layer}" for state in states] for when in ("", "n"))
        inputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, hidden]) for name in before]
        outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, hidden]) for name in after]
        operands = [f"x{layer}", f"W{layer}", f"R{layer}", f"B{layer}", "", *before]
        reset = {"linear_before_reset": 1} if shape["cell"] == "gru" else {}
        nodes.append(helper.make_node(shape["cell"].upper(), operands, [f"y{layer}", *after], hidden_size=hidden, **reset))
        nodes.append(helper.make_node("Squeeze", [f"y{layer}", "one"], [f"x{layer + 1}"]))
    nodes.append(helper.make_node("MatMul", [f"x{shape['layers']}", "head"], ["logits"]))
    values = {name: draw.uniform(-0.05, 0.05, size).astype(np.float32) for name, size in weights.items()}
    constants = [numpy_helper.from_array(value, name) for name, value in values.items()]
    constants.append(numpy_helper.from_array(np.array([1]), "one"))
    graph = helper.make_graph(nodes, "step", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = shape["threads"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("token", np.array([[3]]))
    for given in inputs[1:]:
        binding.bind_cpu_input(given.name, np.zeros((1, 1, hidden), np.float32))
    for taken in outputs:
        binding.bind_output(taken.name)

    def step():
        for _ in range(shape["sequenceLength"]):
            session.run_with_iobinding(binding)

    return step


def measure(step, seconds):
    durations, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or not durations:
        start = time.perf_counter()
        step()
        durations.append((time.perf_counter() - start) * 1e3)
    durations.sort()
    return {"min": durations[0], "median": durations[len(durations) // 2]}


warm = {}
for line in sys.stdin:
    shape = json.loads(line)
    torch.set_num_threads(shape["threads"])
    key = json.dumps({name: value for name, value in shape.items() if name != "seconds"}, sort_keys=True)
    if key not in warm:
        warm.clear()
        warm[key] = training(shape) if shape["mode"] == "train" else stepping(shape)
        for _ in range(3):
            warm[key]()
    result = {"name": shape["name"], "stepMilliseconds": measure(warm[key], shape["seconds"])}
    result["peakMegabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    result["program"] = f"PyTorch {torch.__version__}" if shape["mode"] == "train" else "ONNX Runtime"
    print(json.dumps(result), flush=True)

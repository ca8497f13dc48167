"""Records PyTorch's clipping by global norm and its moving average of weights for the tests of src/train.

Run: python clip_and_average.py > clip_and_average.json   (needs torch; recorded on a CPU in single precision)

The network is that of optimizers.py (3 -> 4 -> 2, tanh between), plain SGD at 0.1, the input of step t is sin(6*t + i),
the targets are 2*cos(t + j): large enough that some steps are clipped at 2.25 and some are not.
"""
import json
import math

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

STEPS = 20
CLIP = 2.25


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()

        def wave(*shape):
            values = [0.5 * math.sin(1.3 * i) for i in range(math.prod(shape))]
            return torch.nn.Parameter(torch.tensor(values).reshape(shape))

        self.w1, self.b1, self.w2, self.b2 = wave(3, 4), wave(4), wave(4, 2), wave(2)

    def forward(self, x):
        return torch.tanh(x @ self.w1 + self.b1) @ self.w2 + self.b2


def flat(net):
    return [float(v) for p in net.parameters() for v in p.detach().flatten()]


net = Net()
average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
norms, weights, averages = [], [], []
for t in range(STEPS):
    x = torch.tensor([math.sin(6 * t + i) for i in range(6)]).reshape(2, 3)
    y = torch.tensor([2 * math.cos(t + j) for j in range(4)]).reshape(2, 2)
    optimizer.zero_grad()
    (net(x) - y).square().mean().backward()
    norms.append(float(torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)))
    optimizer.step()
    average.update_parameters(net)
    weights.append(flat(net))
    averages.append(flat(average.module))
assert 0 < sum(n > CLIP for n in norms) < STEPS, norms
print(json.dumps({
    "torch": torch.__version__, "clip": CLIP, "decay": 0.9, "norms": norms,
    "weights": weights[4::5], "averages": averages[4::5],
}))

"""What TFLite's ``benchmark_model`` printed, in the forms that it had over the years.

Recorded, and shortened: ``oldest`` and ``before percentiles`` (yuenshome/yuenshome.github.io issue 77 and
tensorflow/tensorflow issue 42507, phones), ``ignored flags`` (a Raspberry Pi 4 of NetsPresso's device farm,
2021) and ``LiteRT`` (Texas Instruments' guide to its AM62x). Of ``percentiles`` (prefixed by logcat) and
``powers of ten`` the timed runs' lines are recorded ones. The other lines of ``percentiles``, and ``one
run``, are put together in the same forms: no report of a single timed run was found.
"""

from __future__ import annotations

RECORDED = {
    "oldest": """\
STARTING!
Min num runs: [10]
Num threads: [4]
Graph: [/data/local/tmp/net.tflite]
Use nnapi : [0]
nnapi error: unable to open library libneuralnetworks.so
Loaded model /data/local/tmp/net.tflite
resolved reporter
Initialized session in 9.933ms
Running benchmark for at least 4 iterations and at least 0.5 seconds
count=7 first=127425 curr=66709 min=66709 max=127425 avg=76605.9 std=20944

Running benchmark for at least 10 iterations and at least 1 seconds
count=15 first=66753 curr=66800 min=66699 max=66838 avg=66767.6 std=39

Average inference timings in us: Warmup: 76605.9, Init: 9933, no stats: 66767.6
""",
    "before percentiles": """\
STARTING!
Duplicate flags: num_threads
Log parameter values verbosely: [0]
Num threads: [4]
Graph: [/data/local/tmp/net.tflite]
#threads used for CPU inference: [4]
Loaded model /data/local/tmp/net.tflite
The input model file size (MB): 0.004448
Initialized session in 0.855ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=15 first=49060 curr=33682 min=32825 max=49060 avg=34825.1 std=3930

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=32891 curr=33978 min=32641 max=34005 avg=33209.4 std=450

Inference timings in us: Init: 855, First inference: 49060, Warmup (avg): 34825.1, Inference (avg): 33209.4
Peak memory footprint (MB): init=0 overall=12.8672
""",
    "percentiles": """\
I tflite  : STARTING!
I tflite  : Min num runs: [25]
I tflite  : Graph: [/data/local/tmp/net.tflite]
I tflite  : Loaded model /data/local/tmp/net.tflite
I tflite  : Initialized session in 92.318ms.
I tflite  : Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding \
150 seconds.
I tflite  : count=3 first=187533 curr=221034 min=187533 max=226440 avg=211669 std=17197 p5=187533 \
median=221034 p95=226440
I tflite  : Running benchmark for at least 25 iterations and at least 1 seconds but terminate if exceeding \
150 seconds.
I tflite  : count=25 first=187533 curr=140990 min=140071 max=195121 avg=145528 std=13583 p5=140545 \
median=141253 p95=187533
I tflite  : Inference timings in us: Init: 92318, First inference: 187533, Warmup (avg): 211669, \
Inference (avg): 145528
I tflite  : Memory footprint delta from the start of the tool (MB): init=54.2852 overall=73.4102
""",
    "powers of ten": """\
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=1 curr=3512391

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798

Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, \
Inference (avg): 2.95034e+06
""",
    "one run": """\
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=1 curr=3512391

Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, \
Inference (avg): 3.51239e+06
""",
    "ignored flags": """\
STARTING!
Unconsumed cmdline flags: --allow_fp16
Log parameter values verbosely: [0]
Min num runs: [50]
Num threads: [4]
Graph: [net.tflite]
#threads used for CPU inference: [4]
Use xnnpack: [1]
Loaded model net.tflite
XNNPACK delegate created.
Explicitly applied XNNPACK delegate, and the model graph will be partially executed by the delegate w/ 22 \
delegate kernels.
The input model file size (MB): 0.541472
Initialized session in 18.738ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 180 seconds.
count=6 first=140706 curr=74599 min=74599 max=140706 avg=85791.2 std=24559

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 180 seconds.
count=50 first=74456 curr=74516 min=73909 max=75323 avg=74481.6 std=268

Inference timings in us: Init: 18738, First inference: 140706, Warmup (avg): 85791.2, Inference (avg): 74481.6
Peak memory footprint (MB): init=6.44141 overall=64.8633
""",
    "LiteRT": """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Num threads: [4]
INFO: Graph: [net.tflite]
INFO: Signature to run: []
INFO: #threads used for CPU inference: [4]
INFO: Use xnnpack: [0]
INFO: Loaded model net.tflite
INFO: The input model file size (MB): 67.3128
INFO: Initialized session in 6.418ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 \
seconds.
INFO: count=1 curr=1041765

INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 \
seconds.
INFO: count=50 first=977738 curr=964908 min=911877 max=1112273 avg=971535 std=39112

INFO: Inference timings in us: Init: 6418, First inference: 1041765, Warmup (avg): 1.04176e+06, \
Inference (avg): 971535
INFO: Memory footprint delta from the start of the tool (MB): init=6.14844 overall=109.848
""",
}

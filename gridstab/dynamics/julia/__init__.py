"""The Julia engine: GridDynamics.jl inside this process, or in a process of its own.

Inside, through PyJulia's low-level ``LibJulia`` and function pointers: arrays are shared, the GIL
is released. That is possible on the main thread of a plain process alone; everywhere else
(:func:`gridstab.dynamics.julia.embedded.obstacle` says where and why) every thread talks to a
``julia`` process of its own. The results are the same bit for bit.
"""

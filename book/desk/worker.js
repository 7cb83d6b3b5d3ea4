// The worker of the desk: the network and its jobs, without a page.
importScripts("unet.js", "diffusion.js", "network-file.js", "jobs.js");

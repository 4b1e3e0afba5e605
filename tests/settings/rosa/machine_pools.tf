locals {
  zone = "eu-central-1a"
}

module "rosa" {
  source     = "./modules/cluster"
  cluster_id = "2abc"

  az_subnet_map = {
    "eu-central-1b" = "subnet-b"
  }

  machine_pools = [
    {
      name          = "gpu-spot"
      instance_type = "g4dn.2xlarge"
      spot          = { enabled = true, max_price = 0.25 }
      autoscaling   = { enabled = true, min = 0, max = 4 }
      multi_az      = false
      availability_zone = "eu-central-1b"
      labels        = { "node-type" = "gpu", "gpus" = 1 }
      taints        = [{ key = "nvidia.com/gpu", value = "true", schedule_type = "NoSchedule" }]
      auto_repair   = false
    },
    {
      name          = "highmem"
      instance_type = "r5.2xlarge"
      disk_size     = 500
      subnet_id     = "subnet-c"
    },
    {
      name              = "metal"
      instance_type     = "m5.metal"
      replicas          = 3
      availability_zone = local.zone
    },
  ]
}

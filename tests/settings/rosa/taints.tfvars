cluster_id             = "2abc"
create_additional_pool = true
additional_pool_taints = [
  {
    key           = "workload-type"
    value         = "batch"
    schedule_type = "NoSchedule"
  }
]

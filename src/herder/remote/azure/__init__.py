"""What the drivers share whose workers are VMs of Azure, whoever creates them: who the server is to Azure, what Azure refuses, what a VM boots with."""

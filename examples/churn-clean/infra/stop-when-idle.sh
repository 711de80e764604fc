#!/bin/sh
# Stops the notebook when no file in it changed for an hour.
set -eu
cat >/usr/local/bin/stop-when-idle <<'EOF'
#!/bin/sh
if [ -z "$(find /home/ec2-user/SageMaker -newermt '1 hour ago' -print -quit)" ]; then
  aws sagemaker stop-notebook-instance --notebook-instance-name churn-explore
fi
EOF
chmod 0755 /usr/local/bin/stop-when-idle
echo '*/15 * * * * root /usr/local/bin/stop-when-idle' >/etc/cron.d/stop-when-idle

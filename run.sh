source /tmp/h/env.sh /work/wt-e1; cd /tmp/h/e1; exec timeout 900 python "$@"

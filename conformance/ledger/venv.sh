# Sourced by the checks: makes a virtual environment with pinned packages, once.
#
# make_venv DIRECTORY MINIMUM PACKAGE...   (PYTHON=... names an interpreter)

fits() { "$1" -c "import sys; sys.exit(sys.version_info[:2] < tuple(map(int, '$2'.split('.'))))" 2>/dev/null; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3.14 python3.13 python3.12 python3.11 python3 \
        "$HOME"/.pyenv/versions/3.1[3-9]*/bin/python3; do
        if [ -n "$candidate" ] && fits "$candidate" "$1"; then
            echo "$candidate"
            return 0
        fi
    done
    echo "no Python $1 or newer found; set PYTHON" >&2
    return 1
}

make_venv() {
    local directory=$1 minimum=$2 python
    shift 2
    if [ "$(cat "$directory/packages.txt" 2>/dev/null)" = "$*" ]; then
        return 0
    fi
    python=$(find_python "$minimum") || return 1
    "$python" -m venv --clear "$directory" &&
        "$directory/bin/pip" --quiet --disable-pip-version-check install "$@" &&
        echo "$*" >"$directory/packages.txt"
}

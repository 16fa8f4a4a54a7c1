/* attack: templates that need templates without end
 * verdict: CE
 * outside: the compiler has limits as programs have
 * limits: cpu=2s wall=60s memory=512M procs=64 disk=64M inodes=1024 output=64K
 * at: compile */
template <int depth, int turn> struct tree {
    static constexpr long value =
        tree<depth - 1, 2 * turn>::value + tree<depth - 1, 2 * turn + 1>::value;
};
template <int turn> struct tree<0, turn> {
    static constexpr long value = turn;
};
int main()
{
    return tree<28, 1>::value != 0;
}

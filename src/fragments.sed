# Turns a file of HTML or SVG fragments into strings of C.
#
# A line `<!-- name -->` begins the fragment of that name; its text follows. Spaces that a line
# begins with do not count. A backslash at the end of a line joins it with the next.
/^<!-- [a-z_]* -->$/ {
    s/^<!-- \(.*\) -->$/static const char \1[] =/
    1!s/^/;\
/
    b end
}
s/^ *//
s/[\\"]/\\&/g
s/.*/"&\\n"/
s/\\\\\\n"$/"/
: end
$s/$/;/

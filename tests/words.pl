# Every text of the pages in the sources, one a line as C would write it: what cnn_say and the like get as
# literals, and [[...]] in fragments; of a .def file what it translates. `perl tests/words.pl FILE...`
use strict;
use warnings;

# Which argument of a function is the text.
my %place = (cnn_say => 0, CNN_WORDS => 0, cnn_caption => 2, cnn_view_caption => 1, cnn_story_paragraph => 1,
             cnn_story_heading => 1, cnn_story_figure => 2, WORDS => 0);
my $string = qr/"(?:[^"\\]|\\.)*"/;
my %seen;

# A text without words needs no translation.
sub found {
    my ($text) = @_;
    my $words = $text =~ s/%[-0-9.*\$]*[a-z]+|\{\{.*?\}\}|<[^>]*>|\\n//gr;
    print "$text\n" if $words =~ /\pL/ && !$seen{$text}++;
}

# The arguments of a call, from what stands behind its parenthesis.
sub arguments {
    my ($code) = @_;
    my ($depth, @list) = (0, '');
    while ($code =~ /\G($string|'(?:[^'\\]|\\.)'|.)/gs) {
        my $piece = $1;
        return @list if $piece eq ')' && $depth == 0;
        if ($piece eq ',' && $depth == 0) {
            push @list, '';
            next;
        }
        $depth += $piece =~ /^[({]$/ ? 1 : $piece =~ /^[)}]$/ ? -1 : 0;
        $list[-1] .= $piece;
    }
    return @list;
}

sub read_code {
    my ($code) = @_;
    $code =~ s{/\*.*?\*/}{}gs;
    for my $name (sort keys %place) {
        while ($code =~ /\b$name\(/g) {
            my @list = arguments(substr($code, pos $code));
            my $text = $list[$place{$name}] // '';
            # Not what calls within the argument get, nor what they give.
            $text =~ s/\b\w+(\((?:$string|[^()"]|(?1))*\))//g;
            while ($text =~ /((?:$string\s*)+)/g) {
                found(join '', $1 =~ /"((?:[^"\\]|\\.)*)"/g);
            }
        }
    }
}

sub read_fragments {
    my ($text) = @_;
    $text =~ s/\\\n *//g;
    found($1 =~ s/(["\\])/\\$1/gr) while $text =~ /\[\[(.*?)\]\]/gs;
}

for my $file (@ARGV) {
    open my $in, '<', $file or die "$file: $!\n";
    local $/;
    my $text = <$in>;
    $file =~ /\.(?:c|h|def)$/ ? read_code($text) : read_fragments($text);
}

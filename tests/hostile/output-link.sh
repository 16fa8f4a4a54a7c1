# attack: its output file is a link to a file of the host's
# verdict: FE
# outside: the file is neither read nor written
# collect: out.txt deep/answers

read -r port name guard judge folder
ln -s "$folder/answers" out.txt
ln -s "$folder" deep
